/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains the tunnel: wrapping and unwrapping in place (the fast path), and handing a frame to the kernel's
 * VXLAN device (the slow path).
 *
 *   before   | dst src type | tenant's IP packet ...
 *   wrap     | outer_dst outer_src 0800 | IPv4 | UDP | VXLAN | dst src type | tenant's IP packet ...
 *            '--------------------- struct wire, 64 bytes ----------------'
 *
 * Over IPv6 the outer header is 86dd and IPv6, 20 bytes more: struct wire6. Lengths are reckoned for IPv4, and what an
 * IPv6 way holds is taken for 20 bytes less. The UDP checksum is zero there too (RFC 7348, section 5; RFC 6935).
 */
#ifndef VXNET_TUNNEL_H
#define VXNET_TUNNEL_H

#include "counters.h"
#include "parse.h"
#include "vlan.h"

#define VXLAN_I_FLAG bpf_htonl(0x08000000)	/* RFC 7348, section 5: the VNI is valid; all else zero on send */

#define FIB_LOOKUP_SRC (1U << 4)	/* since Linux 6.7; older kernels refuse it, and the frame takes the slow path */

/* Since Linux 6.3; older kernels refuse them, and the frame takes the slow path. */
#define ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)

/* ENCAP_L2 counts the inner Ethernet header alone: with the VXLAN header in it, the kernel drops every GSO packet. */
#define WRAP_FLAGS                                                                                  \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | \
	 BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

#define AF_INET 2
#define AF_INET6 10

static __always_inline __be16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Our address towards remote: the tunnel's, or, where the VTEP has one of each family, the one of its family. */
static __always_inline const struct address *source_to(const struct vtep *v, const struct member *tunnel,
						       const struct address *remote)
{
	if (is_ipv6(remote) && !is_unset(&tunnel->local) && !is_ipv6(&tunnel->local))
		return &v->local6;
	return &tunnel->local;
}

/* fib: what was found; its destination is the next hop now. */
static __always_inline void head4(struct tx_flow *flow, const struct member *tunnel, const struct address *remote,
				  const struct bpf_fib_lookup *fib)
{
	struct wire *w = &flow->wire;
	const __be16 *half = (const __be16 *)&w->version_ihl;
	__u32 sum = 0;

	w->outer_type = bpf_htons(ETH_P_IP);
	w->version_ihl = 0x45;
	w->tos = tunnel->tos;
	w->total_length = 0;
	w->id = 0;
	w->fragment = tunnel->flags & MEMBER_DF ? IP_DF : 0;
	w->ttl = tunnel->ttl;
	w->protocol = IPPROTO_UDP;
	w->ip_checksum = 0;
	w->saddr = fib->ipv4_src;
	w->daddr = remote->word[3];
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += half[i];
	flow->ip_sum = sum;
	flow->mtu = fib->mtu_result;
}

static __always_inline void head6(struct tx_flow *flow, const struct member *tunnel, const struct address *remote,
				  const struct bpf_fib_lookup *fib)
{
	struct wire6 *w = &flow->wire6;

	w->outer_type = bpf_htons(ETH_P_IPV6);
	w->version_class_label = bpf_htonl(6U << 28 | tunnel->tos << 20);
	w->payload_length = 0;
	w->next_header = IPPROTO_UDP;
	w->hop_limit = tunnel->ttl;
	__builtin_memcpy(&w->saddr, fib->ipv6_src, sizeof(w->saddr));
	__builtin_memcpy(&w->daddr, remote, sizeof(w->daddr));
	flow->flags |= FLOW_IPV6;
	flow->mtu = fib->mtu_result > IPV6_EXTRA ? fib->mtu_result - IPV6_EXTRA : 0;
}

/*
 * bpf_fib_lookup() answers only for a device on which the host forwards. Whether this host is a router is not for us to
 * say, so the question is asked on behalf of our own VXLAN device, where the daemon turns forwarding on.
 *
 * Ask the kernel which device and next hop lead to remote and write the whole outer header down. Returns 0, or non-zero
 * when the slow path has to find out (no route through the underlay device, next hop not resolved yet).
 */
static __always_inline int prepare(struct __sk_buff *skb, const struct vtep *v, const struct member *tunnel,
				   const struct address *remote, struct tx_flow *flow)
{
	const struct address *local = source_to(v, tunnel, remote);
	struct bpf_fib_lookup fib = {
		.l4_protocol = IPPROTO_UDP,
		.tot_len = 1,	/* so that mtu_result is the route's, and not the device's */
		.ifindex = v->overlay,
	};
	int v6 = is_ipv6(remote);
	struct encap *e;

	if (tunnel->flags & MEMBER_SLOW)
		return -1;
	if (v6) {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, local, sizeof(*local));
		__builtin_memcpy(fib.ipv6_dst, remote, sizeof(*remote));
	} else {
		fib.family = AF_INET;
		fib.ipv4_src = local->word[3];
		fib.ipv4_dst = remote->word[3];
	}
	if (bpf_fib_lookup(skb, &fib, sizeof(fib), is_unset(local) ? FIB_LOOKUP_SRC : 0) != BPF_FIB_LKUP_RET_SUCCESS ||
	    (v->underlay && fib.ifindex != v->underlay))
		return -1;
	__builtin_memcpy(flow->wire.outer_dst, fib.dmac, MAC_LEN);
	__builtin_memcpy(flow->wire.outer_src, fib.smac, MAC_LEN);
	if (v6)
		head6(flow, tunnel, remote, &fib);
	else
		head4(flow, tunnel, remote, &fib);
	e = v6 ? &flow->wire6.encap : &flow->wire.encap;
	e->dport = bpf_htons(v->dstport);
	e->udp_checksum = 0;
	e->vxlan_flags = VXLAN_I_FLAG;
	e->vxlan_vni = bpf_htonl(tunnel->vni_out << 8);
	flow->ifindex = fib.ifindex;
	return 0;
}

/* What differs from packet to packet behind the outer IP header. length: of the UDP datagram. */
static __always_inline void finish(struct encap *e, const struct inner *inner, __u16 length, __be16 inner_type)
{
	e->sport = source_port(inner);
	e->udp_length = bpf_htons(length);
	e->type = inner_type;
}

static __always_inline int wrap4(struct __sk_buff *skb, const struct tx_flow *flow, const struct inner *inner)
{
	__be16 inner_type = skb->protocol;	/* which becomes the outer one's */
	__u16 length = skb->len + IP_OVERHEAD;
	__u8 ecn = outer_ecn(inner);
	struct wire *w;
	__u64 *to;

	if (bpf_skb_adjust_room(skb, OUTER_LEN, BPF_ADJ_ROOM_MAC, WRAP_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
		return -1;
	w = (void *)(long)skb->data;
	if ((void *)(w + 1) > (void *)(long)skb->data_end)
		return -1;	/* cannot be: the room was just made, in the linear part */
	to = (void *)w;
#pragma unroll
	for (int i = 0; i < 8; i++)
		to[i] = flow->words[i];
	w->total_length = bpf_htons(length);
	w->tos |= ecn;
	w->ip_checksum = fold(flow->ip_sum + bpf_htons(length) + bpf_htons(ecn));
	finish(&w->encap, inner, length - sizeof(struct iphdr), inner_type);
	return 0;
}

static __always_inline int wrap6(struct __sk_buff *skb, const struct tx_flow *flow, const struct inner *inner)
{
	__be16 inner_type = skb->protocol;
	__u16 length = skb->len + IP_OVERHEAD - sizeof(struct iphdr);
	struct wire6 *w;
	__u64 *to;

	if (bpf_skb_adjust_room(skb, OUTER_LEN + IPV6_EXTRA, BPF_ADJ_ROOM_MAC,
				WRAP_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6))
		return -1;
	w = (void *)(long)skb->data;
	if ((void *)(w + 1) > (void *)(long)skb->data_end)
		return -1;
	to = (void *)w;
#pragma unroll
	for (int i = 0; i < 10; i++)
		to[i] = flow->words[i];
	((__u32 *)w)[20] = (__u32)flow->words[10];
	w->version_class_label |= bpf_htonl((__u32)outer_ecn(inner) << 20);
	w->payload_length = bpf_htons(length);
	finish(&w->encap, inner, length, inner_type);
	return 0;
}

/*
 * Wrap a frame whose IP header the kernel knows (skb->protocol is IPv4 or IPv6). Returns 0, or non-zero with the frame
 * untouched.
 */
static __always_inline int wrap(struct __sk_buff *skb, const struct tx_flow *flow, const struct inner *inner)
{
	return flow->flags & FLOW_IPV6 ? wrap6(skb, flow, inner) : wrap4(skb, flow, inner);
}

/* TTL and TOS of the tenant's packet, for tunnels that take them over; of what is not IP nothing is taken. */
static __always_inline void inherit(struct __sk_buff *skb, const struct member *tunnel, struct bpf_tunnel_key *key)
{
	__u8 head[V4_WORDS * 4];

	if (!(tunnel->flags & (MEMBER_TTL_INHERIT | MEMBER_TOS_INHERIT)) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, head, sizeof(head)))
		return;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (tunnel->flags & MEMBER_TTL_INHERIT)
			key->tunnel_ttl = head[8];
		if (tunnel->flags & MEMBER_TOS_INHERIT)
			key->tunnel_tos = head[1] & ~ECN_MASK;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (tunnel->flags & MEMBER_TTL_INHERIT)
			key->tunnel_ttl = head[7];
		if (tunnel->flags & MEMBER_TOS_INHERIT)
			key->tunnel_tos = (head[0] << 4 | head[1] >> 4) & ~ECN_MASK;
	}
}

/* Set the outer header for the kernel's VXLAN device: it resolves the next hop and sends. The frame has no tag yet. */
static __always_inline int set_tunnel(struct __sk_buff *skb, const struct vtep *v, const struct member *tunnel,
				      const struct address *remote)
{
	const struct address *local = source_to(v, tunnel, remote);
	struct bpf_tunnel_key key = {
		.tunnel_id = tunnel->vni_out,
		.tunnel_ttl = tunnel->ttl,
		.tunnel_tos = tunnel->tos,
	};
	__u64 flags = (tunnel->flags & MEMBER_CSUM ? 0 : BPF_F_ZERO_CSUM_TX) |
		      (tunnel->flags & MEMBER_DF ? BPF_F_DONT_FRAGMENT : 0);

	if (is_ipv6(remote)) {
		flags |= BPF_F_TUNINFO_IPV6;
		__builtin_memcpy(key.remote_ipv6, remote, sizeof(*remote));
		__builtin_memcpy(key.local_ipv6, local, sizeof(*local));
	} else {
		key.remote_ipv4 = bpf_ntohl(remote->word[3]);
		key.local_ipv4 = bpf_ntohl(local->word[3]);
	}
	inherit(skb, tunnel, &key);
	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags);
}

/* The slow path out: through the kernel's VXLAN device, with this tag inside. Not inlined: the key is large. */
static __noinline int to_overlay(struct __sk_buff *skb, struct frame *f, struct place *to, const struct member *tunnel,
				 __u32 tag)
{
	struct vtep *v;

	if (!f || !to || !tunnel)
		return drop(DROP_NO_PORT);
	v = bpf_map_lookup_elem(&vteps, &tunnel->dstport);
	if (!v)
		return drop(DROP_NO_PORT);
	if (set_tunnel(skb, v, tunnel, &to->remote) || put_tag(skb, f, tag))
		return drop(DROP_SEND_FAILED);
	count_tx(to->member, bytes_with(f->bytes, tag));
	return bpf_redirect(v->overlay, 0);
}

/*
 * Take the outer headers off. The inner Ethernet header is read before the room is closed and written over the outer
 * one, which the kernel keeps in front. Returns 0, or non-zero with the packet untouched.
 */
static __always_inline int unwrap(struct __sk_buff *skb, const int v6)
{
	int extra = v6 ? IPV6_EXTRA : 0;
	struct encap *e = (void *)(long)skb->data + WIRE_LEN + extra - sizeof(*e);
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	struct ethhdr inner __attribute__((aligned(4))), *eth;

	if ((void *)(e + 1) > (void *)(long)skb->data_end)
		return -1;
	copy_macs(&inner, e->dst);
	inner.h_proto = e->type;
	if (inner.h_proto != skb->protocol)	/* the kernel takes it for the outer one's, unless told */
		flags |= v6 ? ADJ_ROOM_DECAP_L3_IPV4 : ADJ_ROOM_DECAP_L3_IPV6;
	if (bpf_skb_adjust_room(skb, -(OUTER_LEN + extra), BPF_ADJ_ROOM_MAC, flags))
		return -1;
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;	/* cannot be: adjust_room keeps the header linear */
	copy_macs(eth, &inner);
	eth->h_proto = inner.h_proto;
	return 0;
}

#endif
