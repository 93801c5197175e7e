/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains what is read of a packet from the underlay before it is unwrapped: its outer headers as they lie
 * there, and whether it bears being unwrapped in place.
 */
#ifndef VXNET_OUTER_H
#define VXNET_OUTER_H

#include "checksum.h"
#include "parse.h"

/*
 * A packet as it lies there: the outer headers that come first, and what is the same behind both kinds of them. v6 is a
 * constant wherever this is inlined.
 */
struct packet {
	union {
		const struct wire *w;
		const struct wire6 *w6;
	};
	const struct encap *e;
};

static __always_inline __u32 wire_len(const int v6)
{
	return WIRE_LEN + (v6 ? IPV6_EXTRA : 0);
}

/* Returns 0 if the headers are not there, in the linear part. */
static __always_inline int see(const struct __sk_buff *skb, struct packet *p, const int v6)
{
	p->w = (void *)(long)skb->data;
	p->e = v6 ? &p->w6->encap : &p->w->encap;
	return (void *)(p->e + 1) <= (void *)(long)skb->data_end;
}

static __always_inline __u8 outer_field(const struct packet *p, const int v6)
{
	return (v6 ? bpf_ntohl(load32(&p->w6->version_class_label)) >> 20 : p->w->tos) & ECN_MASK;
}

/*
 * What the outer ECN field says and the inner one does not is brought over by the kernel (RFC 6040, section 4.2): a
 * mark, and ECT(1) to ECT(0). Both are rare.
 */
static __always_inline int ecn_agrees(const struct __sk_buff *skb, const struct packet *p, const int v6)
{
	__u8 outer = outer_field(p, v6), inner[2] = {};

	if (!(outer & ECN_ECT1))
		return 1;
	bpf_skb_load_bytes(skb, wire_len(v6), inner, sizeof(inner));
	if (p->e->type == bpf_htons(ETH_P_IPV6))
		inner[1] >>= 4;
	return outer == ECN_ECT1 && (inner[1] & ECN_MASK) != ECN_ECT0;
}

/* IPv4 and UDP, unfragmented, or IPv6 and UDP; unchecked. */
static __always_inline int plain(const struct packet *p, const int v6)
{
	if (p->e->udp_checksum)
		return 0;
	if (v6)
		return (*(const __u8 *)&p->w6->version_class_label & 0xf0) == 0x60 &&
		       p->w6->next_header == IPPROTO_UDP;
	return p->w->version_ihl == 0x45 && p->w->protocol == IPPROTO_UDP && !(p->w->fragment & IP_FRAGMENT) &&
	       ip_header_sound(&p->w->version_ihl);
}

static __always_inline int lengths_agree(const struct __sk_buff *skb, const struct packet *p, const int v6)
{
	__u16 length = bpf_ntohs(p->e->udp_length);

	if (v6)
		return length == bpf_ntohs(p->w6->payload_length) &&
		       length == (__u16)(skb->len - ETH_HLEN - sizeof(struct ipv6hdr));
	return bpf_ntohs(p->w->total_length) == (__u16)(skb->len - ETH_HLEN) &&
	       length == (__u16)(skb->len - ETH_HLEN - sizeof(struct iphdr));
}

/* UDP right behind the IP header? The kernel judges odd headers, and puts fragments together before the VXLAN device sees them. */
static __always_inline int is_udp(const void *ip, const int v6)
{
	const struct ipv6hdr *v6h = ip;
	const struct iphdr *v4h = ip;

	if (v6)
		return (*(const __u8 *)ip & 0xf0) == 0x60 && v6h->nexthdr == IPPROTO_UDP;
	return *(const __u8 *)ip == 0x45 && v4h->protocol == IPPROTO_UDP && !(v4h->frag_off & IP_FRAGMENT);
}

/*
 * A GSO packet that is unwrapped in place still carries the tunnel's GSO type, which the VXLAN device would take off.
 * Whole segments of a stream do not mind, if they go straight into a guest. Datagrams do: the socket cuts them apart
 * again, and the kernel would look for a tunnel in them.
 */
static __always_inline int gso_bears_unwrapping(const struct __sk_buff *skb, __be16 type, __u32 peer, const int v6)
{
	__u32 at = wire_len(v6) + (type == bpf_htons(ETH_P_IP) ? AT_IPV4_PROTOCOL : AT_IPV6_NEXT_HEADER);
	__u8 protocol = 0;

	if (!skb->gso_size)
		return 1;
	bpf_skb_load_bytes(skb, at, &protocol, 1);
	return peer && protocol == IPPROTO_TCP;
}

static __always_inline int bears_unwrapping(const struct __sk_buff *skb, const struct packet *p, __u32 peer, const int v6)
{
	return gso_bears_unwrapping(skb, p->e->type, peer, v6) && ecn_agrees(skb, p, v6);
}

#endif
