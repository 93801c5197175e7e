/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* This file contains the maps, and nothing else. */
#ifndef VXNET_MAPS_H
#define VXNET_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "structs.h"

/* Where nothing else is said, these are what the maps hold at first: they grow (room.py). */
#define FIRST_DOMAINS 1024
#define FIRST_MEMBERS 4096
#define FIRST_ARRIVALS (1 << 13)
#define FIRST_FLOOD (1 << 15)
#define FIRST_FDB (1 << 17)
#define FIRST_LEARNED (1 << 14)
#define FIRST_NEIGHBOURS (1 << 13)

#define MAX_VTEPS 64

/* Tries cost nothing for what is not in them. */
#define MAX_SOURCES (1 << 22)
#define MAX_SENDERS (1 << 22)

#define MAX_STORMS (1 << 14)
#define MAX_MOVED (1 << 16)
#define MAX_QUESTIONS 1024
#define HEARD_BYTES (1 << 20)	/* a page's multiple, a power of two: more than 6000 frames */

#define MAX_DROP_REASONS 64

/* ifindex of a VXLAN device -> its UDP port */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_VTEPS);
	__type(key, __u32);
	__type(value, __u32);
} overlays SEC(".maps");

/* state[0]: what belongs to the whole switch */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} state SEC(".maps");

/* UDP port -> the VTEP there */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_VTEPS);
	__type(key, __u32);
	__type(value, struct vtep);
} vteps SEC(".maps");

/* domain -> its settings */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FIRST_DOMAINS);
	__type(key, __u32);
	__type(value, struct domain);
} domains SEC(".maps");

/* domain -> how often a MAC has moved in it; flows cached before the last move are void. Written by programs only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FIRST_DOMAINS);
	__type(key, __u32);
	__type(value, __u32);
} moves SEC(".maps");

/* member -> a port or a tunnel */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FIRST_MEMBERS);
	__type(key, __u32);
	__type(value, struct member);
} members SEC(".maps");

/* ifindex of a port's device -> member */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FIRST_MEMBERS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

/* member -> the VLANs of a trunk that has not all of them */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FIRST_MEMBERS);
	__type(key, __u32);
	__type(value, struct vlan_set);
} trunks SEC(".maps");

/* (VNI, local, remote) of a packet from the underlay -> the tunnel (member) it came through */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FIRST_ARRIVALS);
	__type(key, struct arrival_key);
	__type(value, __u32);
} arrivals SEC(".maps");

/* (domain, list version, index) -> where one copy of a BUM frame goes; ports stand before remotes */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FIRST_FLOOD);
	__type(key, struct flood_key);
	__type(value, struct place);
} flood SEC(".maps");

/* the FDB of all domains */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FIRST_FDB);
	__type(key, struct fdb_key);
	__type(value, struct fdb_entry);
} fdb SEC(".maps");

/* (member, MAC, address) -> whether that may leave a secured port */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_SOURCES);
	__type(key, struct source_key);
	__type(value, __u32);
} sources SEC(".maps");

/* (tunnel, address) -> there if packets from it are taken */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_SENDERS);
	__type(key, struct sender_key);
	__type(value, __u32);
} senders SEC(".maps");

/* (domain, address) -> whose it is */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FIRST_NEIGHBOURS);
	__type(key, struct neighbour_key);
	__type(value, struct neighbour);
} neighbours SEC(".maps");

/* place -> how many learned entries it has in the FDB. Programs count up, the daemon's sweep sets it right. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FIRST_LEARNED);
	__type(key, struct place);
	__type(value, __u32);
} learned SEC(".maps");

/*
 * place, or domain -> its bucket for storm control. Of those that have been silent for the longest, a bucket that is forgotten
 * is a full one again: nobody loses by it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_STORMS);
	__type(key, struct place);
	__type(value, __u64);
} storms SEC(".maps");

/* MACs that have moved lately. The daemon's sweep forgets them; of more than there is room for, moves are not counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_MOVED);
	__type(key, struct fdb_key);
	__type(value, struct moved);
} moved SEC(".maps");

/* nonce -> a question to a port whether it is in a loop */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_QUESTIONS);
	__type(key, struct question_key);
	__type(value, struct question);
} questions SEC(".maps");

/* frames of the management VNI, for the daemon: struct heard */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, HEARD_BYTES);
} heard SEC(".maps");

/* frames from a port whose answer is known */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FLOW_SLOTS);
	__type(key, __u32);
	__type(value, struct tx_flow);
} tx_flows SEC(".maps");

/* packets from the underlay whose answer is known */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FLOW_SLOTS);
	__type(key, __u32);
	__type(value, struct rx_flow);
} rx_flows SEC(".maps");

/* member -> packets and bytes */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FIRST_MEMBERS);
	__type(key, __u32);
	__type(value, struct traffic);
} traffic SEC(".maps");

/* drop reason -> frames dropped for it */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_DROP_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps");

#endif
