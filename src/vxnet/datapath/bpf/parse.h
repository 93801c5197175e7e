/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* This file contains what is read out of packets: MACs, the hash of a flow, the size of what will be on the wire. */
#ifndef VXNET_PARSE_H
#define VXNET_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "structs.h"

#define IP_FRAGMENT bpf_htons(0x3fff)	/* more fragments, or an offset */
#define IP_DF bpf_htons(0x4000)

#define OUTER_LEN 50			/* IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14: what wrapping adds */
#define WIRE_LEN 64			/* and with the outer Ethernet header: struct wire */
#define IPV6_EXTRA 20			/* what all of these are longer over IPv6 */
#define VLAN_LEN 4			/* a tag, which the kernel keeps beside the frame */
#define VLAN_BEHIND 6			/* bytes behind a tag's TPID that the kernel wants: the rest of it, and two (skb_vlan_untag) */
#define IP_OVERHEAD 36			/* an Ethernet frame of n bytes becomes an outer IP packet of n + 36 */

#define AT_IPV4_PROTOCOL 9
#define AT_IPV6_NEXT_HEADER 6

#define PACKET_HOST 0			/* skb->pkt_type: linux/if_packet.h's, which brings more than these programs take */
#define PACKET_MULTICAST 2

#define SPORT_BASE 49152		/* RFC 7348, section 5: the dynamic range, 49152-65535 */
#define SPORT_MASK 0x3fff

struct inner {
	__u32 hash_a;			/* source address, folded to 32 bits */
	__u32 hash_b;			/* destination address, likewise */
	__u32 ports;			/* both L4 ports, or 0 */
	__u8 protocol;
	__u8 l3_len;			/* of the fixed IP header */
	__u8 ecn;
};

#define ECN_MASK 3
#define ECN_ECT1 1
#define ECN_ECT0 2
#define ECN_CE 3

static __always_inline __u32 load32(const void *at)
{
	return *(const __u32 *)at;
}

/* Both MACs of a frame, as words: clang would take bytes of packets one by one, and looking them up has to wait for all. */
static __always_inline void copy_macs(void *to, const void *from)
{
	__builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4), 2 * ETH_ALEN);
}

static __always_inline int is_group(const __u8 *mac)
{
	return mac[0] & 1;
}

static __always_inline int is_zero(const __u8 *mac)
{
	return !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) | (a[5] ^ b[5]));
}

static __always_inline struct address mapped(__be32 ipv4)
{
	return (struct address){ { 0, 0, bpf_htonl(0xffff), ipv4 } };
}

static __always_inline int is_ipv6(const struct address *a)
{
	return a->word[0] || a->word[1] || a->word[2] != bpf_htonl(0xffff);
}

static __always_inline int is_unset(const struct address *a)
{
	return !(a->word[0] | a->word[1] | a->word[2] | a->word[3]);
}

static __always_inline int same_address(const struct address *a, const struct address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

static __always_inline int is_ip(__be16 type)
{
	return type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6);
}

static __always_inline int is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline int is_tagged(const struct __sk_buff *skb)
{
	return skb->vlan_present || is_tag(skb->protocol);
}

/* 01:80:c2:00:00:00-0f: spanning tree, pause, LACP, LLDP ... (IEEE 802.1Q, 8.6.3) */
static __always_inline int is_link_local(const __u8 *mac)
{
	return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 && !mac[3] && !mac[4] && !(mac[5] & 0xf0);
}

static __always_inline int has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

#define V4_WORDS 5
#define V6_WORDS 10

/* ip: the fixed header as 32-bit words, and one word of L4 behind it if with_l4. */
static __always_inline void read_inner(struct inner *inner, const __u32 *ip, __be16 type, int with_l4)
{
	const struct iphdr *v4 = (const void *)ip;

	if (type == bpf_htons(ETH_P_IP)) {
		inner->hash_a = v4->saddr;
		inner->hash_b = v4->daddr;
		inner->protocol = v4->protocol;
		inner->l3_len = V4_WORDS * 4;
		inner->ecn = v4->tos & ECN_MASK;
		with_l4 = with_l4 && *(const __u8 *)ip == 0x45 && !(v4->frag_off & IP_FRAGMENT);
	} else {
		inner->hash_a = ip[2] ^ ip[3] ^ ip[4] ^ ip[5];
		inner->hash_b = ip[6] ^ ip[7] ^ ip[8] ^ ip[9];
		inner->protocol = ((const struct ipv6hdr *)ip)->nexthdr;
		inner->l3_len = V6_WORDS * 4;
		inner->ecn = ((const __u8 *)ip)[1] >> 4 & ECN_MASK;
	}
	inner->ports = 0;
	if (with_l4 && has_ports(inner->protocol))
		inner->ports = type == bpf_htons(ETH_P_IP) ? ip[V4_WORDS] : ip[V6_WORDS];
}

/*
 * Read the tenant's IPv4 or IPv6 header behind the Ethernet header. Returns 0 if it is not there whole. A frame may lie
 * in fragments of memory right after its Ethernet header (AF_PACKET's ring sends so): then it is copied out, since making
 * the frame linear costs more. vxnet/packet/flow.py is the same in Python.
 */
static __always_inline int parse_inner(const struct __sk_buff *skb, struct inner *inner)
{
	const void *ip = (void *)(long)skb->data + ETH_HLEN, *end = (void *)(long)skb->data_end;
	__u32 words = skb->protocol == bpf_htons(ETH_P_IP) ? V4_WORDS : V6_WORDS;
	__u32 copy[V6_WORDS + 1];

	if (words == V4_WORDS ? ip + (V4_WORDS + 1) * 4 <= end : ip + (V6_WORDS + 1) * 4 <= end) {
		read_inner(inner, ip, skb->protocol, 1);
		return 1;
	}
	if (skb->len >= ETH_HLEN + (words + 1) * 4) {
		if (words == V4_WORDS ? bpf_skb_load_bytes(skb, ETH_HLEN, copy, (V4_WORDS + 1) * 4)
				      : bpf_skb_load_bytes(skb, ETH_HLEN, copy, (V6_WORDS + 1) * 4))
			return 0;
		read_inner(inner, copy, skb->protocol, 1);
		return 1;
	}
	if (words == V4_WORDS ? bpf_skb_load_bytes(skb, ETH_HLEN, copy, V4_WORDS * 4)
			      : bpf_skb_load_bytes(skb, ETH_HLEN, copy, V6_WORDS * 4))
		return 0;
	read_inner(inner, copy, skb->protocol, 0);
	return 1;
}

/*
 * The outer UDP source port, which spreads flows over paths and receive queues (RFC 7348, section 5). Our own hash, not
 * bpf_get_hash_recalc(): it costs a tenth of the flow dissector, and Python can say it too.
 */
static __always_inline __be16 source_port(const struct inner *inner)
{
	__u64 h = inner->hash_a * 0x9E3779B97F4A7C15ULL + inner->hash_b * 0xC2B2AE3D27D4EB4FULL +
		  (inner->ports ^ inner->protocol) * 0x165667B19E3779F9ULL;

	h ^= h >> 32;
	h *= 0xD6E8FEB86659FD93ULL;
	h ^= h >> 32;
	return bpf_htons(SPORT_BASE + (h & SPORT_MASK));
}

/* The outer ECN field: the inner one, but a mark as ECT(0) (RFC 3168, section 9.1.1), as the slow path has it. */
static __always_inline __u8 outer_ecn(const struct inner *inner)
{
	return inner->ecn == ECN_CE ? ECN_ECT0 : inner->ecn;
}

/*
 * The outer IPv4 packet's length for this frame; for a GSO packet that of its largest segment, which for other protocols
 * than TCP and UDP nobody makes.
 */
static __always_inline __u32 wire_length(const struct __sk_buff *skb, const struct inner *inner)
{
	__u8 data_offset = 0;

	if (!skb->gso_size)
		return skb->len + IP_OVERHEAD;
	if (inner->protocol != IPPROTO_TCP)
		return skb->gso_size + inner->l3_len + sizeof(struct udphdr) + ETH_HLEN + IP_OVERHEAD;
	bpf_skb_load_bytes(skb, ETH_HLEN + inner->l3_len + 12, &data_offset, 1);
	return skb->gso_size + inner->l3_len + (data_offset >> 4) * 4 + ETH_HLEN + IP_OVERHEAD;
}

#endif
