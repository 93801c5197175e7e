/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains every key and value that the eBPF programs and Python share through maps.
 * vxnet/datapath/layout.py says the same in Python; the loader compares the sizes before anything runs.
 *
 *      domain  (a segment's layer-2 network)
 *        +-- member, member, ...      a local device (port) or a tunnel
 *        +-- flood list               the places BUM goes to
 *        +-- FDB: (domain, vlan, MAC) -> place
 *
 *      place = (member, remote address)   a port, or a remote behind a tunnel
 *
 * Addresses are 128 bits everywhere, IPv4 in its mapped form (::ffff:a.b.c.d), in network byte order. MTUs are IP MTUs
 * in bytes, times are CLOCK_MONOTONIC in nanoseconds. Domains and members are slots of arrays: a slot's memory is never
 * handed to another one while a program looks at it, as an element of a hash map is.
 */
#ifndef VXNET_STRUCTS_H
#define VXNET_STRUCTS_H

#include <linux/types.h>

#define MAC_LEN 6
#define NAME_LEN 64

struct address {
	__be32 word[4];
};

/* Where a MAC is, and where a copy of a flooded frame goes. remote is zero for a port. */
struct place {
	__u32 member;
	struct address remote;
};

/* The one VTEP of this daemon. */
struct vtep {
	struct address local;
	__u32 underlay;		/* ifindex of the device that holds local */
	__u32 overlay;		/* ifindex of the kernel's VXLAN device: the slow path */
	__u32 mtu;		/* of the underlay device */
	__u32 epoch;		/* cached flows of another epoch are void; Python adds 1 after each change */
	__u16 dstport;		/* host byte order */
	__u16 layout;		/* LAYOUT_VERSION of who wrote this */
	__u32 domains_high;	/* slots of domains and members from here on have never been used */
	__u32 members_high;
};

#define LAYOUT_VERSION 1

#define DOMAIN_LEARNING 1

struct domain {
	__u64 ageing;		/* ns; 0: learned entries live for ever */
	__u32 flood_version;	/* which flood list is in force ... */
	__u32 flood_count;	/* ... and its length: one 64-bit word, so that both change together */
	__u32 flags;
	__u32 vni;
	__u32 maxaddress;	/* MACs one place may teach */
	__u32 used;		/* 0: this slot is free */
	char name[NAME_LEN];
};

enum member_kind { MEMBER_FREE = 0, MEMBER_PORT = 1, MEMBER_TUNNEL = 2 };

/*
 * A veth whose other end is up in another network namespace: frames are put straight into that end. Only there may a
 * GSO packet go that was unwrapped in place: it still carries the tunnel's GSO type, and a device that has to segment
 * it (a TAP, offloads off) takes three times as long as the slow path.
 */
#define MEMBER_PEER 1

struct member {
	__u32 kind;
	__u32 domain;
	__u32 ifindex;		/* of a port */
	__u32 flags;
	__u32 vni;		/* of a tunnel, from here on */
	struct address local;
	struct address group;	/* zero: none */
	char name[16];		/* of a port's device */
};

struct fdb_key {
	__u32 domain;
	__u16 vlan;		/* 0: the segment has no VLANs inside */
	__u8 mac[MAC_LEN];
};

#define FDB_STATIC 1

struct fdb_entry {
	struct place place;
	__u32 flags;
	__u64 last_seen;
};

struct flood_key {
	__u32 domain;
	__u32 version;
	__u32 index;
};

/*
 * Whose is a packet from the underlay? Asked with the sender's address first, then with remote zero: anybody. An entry
 * for ANY_VNI, which no packet can have, says that local is a group of ours.
 */
#define ANY_VNI (1 << 24)

struct arrival_key {
	__u32 vni;
	__u32 dstport;
	struct address local;	/* the packet's destination: the VTEP's address or a group */
	struct address remote;
};

struct traffic {
	__u64 rx_packets;	/* from the port, or from the underlay: into the segment */
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 unlearned;	/* source MACs not learned: maxaddress reached, or the table is full */
};

/*
 * ---- the flow cache: what the FDB said last, and the outer header ready to be copied ----
 *
 * One array for each CPU, each slot holding the key it stands for: found without a call, written and read by that CPU
 * alone, so that no flow is ever seen half written or in the place of another. Two flows that fall on one slot take turns.
 */
#define FLOW_SLOTS 4096		/* a power of two */

struct tx_flow_key {
	__u32 ifindex;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
};

/* The 64 bytes in front of the tenant's IP packet: all of the outer headers and the inner Ethernet header. */
struct wire {
	__u8 outer_dst[MAC_LEN];
	__u8 outer_src[MAC_LEN];
	__be16 outer_type;
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 ip_checksum;
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__be16 udp_length;
	__be16 udp_checksum;
	__be32 vxlan_flags;
	__be32 vxlan_vni;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
	__be16 type;
} __attribute__((packed));

#define FLOW_LOCAL 1		/* to a port of this host: nothing to wrap */
#define FLOW_PEER 2		/* MEMBER_PEER */

struct tx_flow {
	struct tx_flow_key key;	/* all zero: this slot is empty */
	__u64 checked;		/* when the FDB was asked */
	__u64 confirmed;	/* when a frame of this flow last went the slow path (see NEIGHBOUR_CONFIRM) */
	__u32 epoch;
	__u32 moves;
	__u32 domain;
	__u32 from;		/* member */
	__u32 to;		/* member */
	__u32 ifindex;
	__u32 flags;
	__u32 mtu;
	__u32 ip_sum;		/* the outer IPv4 header's checksum without TOS and total length, not folded */
	__u32 unused;
	union {
		struct wire wire;
		__u64 words[8];
	};
};

/* Only packets to the VTEP's own address and port are looked up here, so neither needs to be in the key. */
struct rx_flow_key {
	__be32 vni;		/* the header's last word: VNI and reserved byte; another byte there is another flow */
	__be32 remote;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
};

struct rx_flow {
	struct rx_flow_key key;
	__u32 unused;
	__u64 checked;
	__u32 epoch;
	__u32 moves;
	__u32 domain;
	__u32 from;
	__u32 to;
	__u32 ifindex;
	__u32 flags;
};

#endif
