/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains the underlay side: what happens to a packet that arrives on the device with the VTEP's address.
 *
 *   1. underlay_fast  a plain VXLAN packet (IPv4 without options or fragments, or IPv6 without extension headers; UDP
 *                     without checksum) whose VNI, addresses and MACs were seen less than a second ago: unwrap, straight
 *                     to its port.
 *   2. underlay_slow  otherwise, if it is for our address (or a group) and UDP port: refuse what is not VXLAN or not for
 *                     any segment; known unicast is learned from, unwrapped and delivered; reserved bits are cleared
 *                     (RFC 7348, section 5: ignored on receipt; the kernel would refuse them); the rest goes on up the
 *                     stack, to the kernel's VXLAN device.
 *   3. overlay        what the VXLAN device made of it: the frame alone, its VNI and addresses beside it. Check, learn,
 *                     deliver or flood to the other members: never back into its own tunnel (rule 3), which is all of a
 *                     segment's underlay side, but on into other tunnels of a bridge.
 *
 * Packets that are none of our business get TC_ACT_UNSPEC: other programs on the device, and the host, see them untouched.
 */
#ifndef VXNET_UNDERLAY_H
#define VXNET_UNDERLAY_H

#include "access.h"
#include "checksum.h"
#include "fdb.h"
#include "flood.h"
#include "flows.h"
#include "liveness.h"
#include "storm.h"
#include "tunnel.h"

#define DECLINE TC_ACT_UNSPEC

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

/*
 * Order: what is left to the slow path waits in the VXLAN device's queue (gro_cells) for a moment, and what comes behind it
 * must not go by. So for this long the rest of these two MACs' packets goes the same way; it is some of the coarse clock's
 * ticks, and the queue is served in the same round of softirqs.
 */
#define SLOW_PATH_DRAINS 20000000LL

static __always_inline int bears_unwrapping(const struct __sk_buff *skb, const struct packet *p, __u32 peer, const int v6)
{
	return gso_bears_unwrapping(skb, p->e->type, peer, v6) && ecn_agrees(skb, p, v6);
}

static __always_inline int waits_its_turn(const struct rx_flow *flow)
{
	return flow->deferred && (__s64)(bpf_ktime_get_coarse_ns() - flow->deferred) < SLOW_PATH_DRAINS;
}

static __always_inline void rx_key(struct rx_flow_key *key, const struct packet *p, const int v6)
{
	key->vni = load32(&p->e->vxlan_vni);
	key->dport = p->e->dport;
	key->unused = key->unused2 = 0;
	copy_macs(key->dst, p->e->dst);
	key->remote = v6 ? p->w6->saddr : mapped(load32(&p->w->saddr));
	key->local = v6 ? p->w6->daddr : mapped(load32(&p->w->daddr));
}

/* Returns an action, or -2 to decline. */
static __always_inline int underlay_fast(struct __sk_buff *skb, const int v6)
{
	__u32 bytes = skb->len - (OUTER_LEN + (v6 ? IPV6_EXTRA : 0));
	struct rx_flow_key key;
	struct rx_flow *flow;
	struct packet p;

	if (skb->pkt_type != PACKET_HOST || !see(skb, &p, v6))
		return -2;
	if (!plain(&p, v6) || !is_ip(p.e->type) || !lengths_agree(skb, &p, v6) ||
	    !(load32(&p.e->vxlan_flags) & VXLAN_I_FLAG))
		return -2;
	rx_key(&key, &p, v6);
	flow = rx_slot(&key);
	if (!flow || !same_rx_key(&flow->key, &key) || !holds(flow->epoch, flow->moves, flow->domain, flow->checked))
		return -2;
	if (waits_its_turn(flow) || !bears_unwrapping(skb, &p, flow->flags & FLOW_PEER, v6))
		return -2;	/* and open_flow() makes a note of it */
	if (unwrap(skb, v6))
		return -2;
	count_rx(flow->from, bytes);
	count_tx(flow->to, bytes);
	return flow->flags & FLOW_PEER ? bpf_redirect_peer(flow->ifindex, 0) : bpf_redirect(flow->ifindex, 0);
}

/*
 * The tunnel (member) a packet came through, or 0. The one that asks for this VNI comes before one that takes any, then the
 * one that names the remote, then the one that names our address.
 */
static __noinline __u32 arrival(const struct arrival_key *packet)
{
	struct arrival_key key;
	__u32 *slot;

	if (!packet)
		return 0;
	for (int i = 0; i < 8; i++) {
		key = *packet;
		if (i & 4)
			key.vni = ANY_VNI;
		if (i & 2)
			__builtin_memset(&key.remote, 0, sizeof(key.remote));
		if (i & 1)
			__builtin_memset(&key.local, 0, sizeof(key.local));
		slot = bpf_map_lookup_elem(&arrivals, &key);
		if (slot)
			return *slot;
	}
	return 0;
}

/* May this address send to the tunnel? */
static __noinline int may_send(__u32 tunnel, const struct address *from)
{
	struct sender_key key = { .prefix = PREFIX_SENDER + 128 };
	struct member *m = bpf_map_lookup_elem(&members, &tunnel);

	if (!from || !m)
		return 0;
	key.list = m->senders;	/* once: it may be another one in a moment */
	if (key.list == SENDERS_ANYBODY)
		return 1;
	key.family = is_ipv6(from) ? 6 : 4;
	key.address = *from;
	return bpf_map_lookup_elem(&senders, &key) != 0;
}

/* Do we receive at this address, besides the VTEP's own: a group, or, where the VTEP has none, any of this host's? */
static __always_inline int listening(const struct vtep *v, struct address local)
{
	struct arrival_key key = { .vni = LISTENING, .dstport = v->dstport, .local = local };

	return bpf_map_lookup_elem(&arrivals, &key) != 0;
}

/* A source the kernel would not take from the wire either: none, 127/8, a group, the broadcast address; or their like. */
static __always_inline int is_martian(const struct address *a)
{
	__u8 first = bpf_ntohl(a->word[3]) >> 24;

	if (is_ipv6(a))
		return (bpf_ntohl(a->word[0]) >> 24) == 0xff ||
		       (!(a->word[0] | a->word[1] | a->word[2]) && !(a->word[3] & ~bpf_htonl(1)));
	return !a->word[3] || first == 127 || (first & 0xf0) == 0xe0 || a->word[3] == 0xffffffff;
}

/*
 * IPv6 sources that no other host has, and that the kernel takes from the wire: none (::), IPv4 addresses in their mapped
 * form, which here would be taken for those of IPv4, and (underlay_slow) our own.
 */
static __always_inline int is_nobody(const struct address *a)
{
	return !is_ipv6(a) || is_unset(a);
}

/*
 * Remember that packets like this one, through the tunnel `from`, go to the port `to`. Returns 0, or non-zero if this one has
 * to take the slow path. Not inlined: who calls it has other calls to make that need the stack.
 */
static __noinline int remember(struct __sk_buff *skb, __u32 from, __u32 to, const int v6)
{
	struct member *port = bpf_map_lookup_elem(&members, &to);
	__u32 zero = 0, *moved;
	struct state *s = bpf_map_lookup_elem(&state, &zero);
	struct rx_flow_key key;
	struct rx_flow *flow;
	struct packet p;
	int known;

	if (!port || !s || !see(skb, &p, v6))
		return -1;
	moved = bpf_map_lookup_elem(&moves, &port->domain);
	rx_key(&key, &p, v6);
	flow = rx_slot(&key);
	if (!moved || !flow)
		return -1;
	known = same_rx_key(&flow->key, &key);
	if (!bears_unwrapping(skb, &p, port->flags & MEMBER_PEER, v6)) {
		if (!known)
			flow->checked = 0;
		flow->key = key;
		flow->deferred = bpf_ktime_get_coarse_ns();
		return -1;
	}
	if (known && waits_its_turn(flow))
		return -1;
	flow->key = key;
	flow->deferred = 0;
	flow->checked = now_ns();
	flow->epoch = s->epoch;
	flow->moves = *moved;
	flow->domain = port->domain;
	flow->from = from;
	flow->to = to;
	flow->ifindex = port->ifindex;
	flow->flags = port->flags & MEMBER_PEER ? FLOW_PEER : 0;
	return 0;
}

/* Known unicast to a port: learn, remember and unwrap. Returns the action, or -2 to leave it to the VXLAN device. */
static __always_inline int open_flow(struct __sk_buff *skb, __u32 from, const int v6)
{
	struct place here = { .member = from }, there = {};
	struct member *tunnel, *port;
	__u32 bytes = skb->len - (OUTER_LEN + (v6 ? IPV6_EXTRA : 0)), ifindex, peer;
	const struct ethhdr *eth;
	struct domain *d;
	struct packet p;
	int vlan;

	if (!see(skb, &p, v6))
		return -2;
	if (is_group(p.e->dst) || is_group(p.e->src) || is_zero(p.e->src) || same_mac(p.e->dst, p.e->src))
		return -2;
	if (skb->len < wire_len(v6) +
			       (p.e->type == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))
		return -2;	/* nothing is learned from it: the kernel drops it */
	tunnel = bpf_map_lookup_elem(&members, &from);
	if (!tunnel)
		return -2;
	vlan = vlan_in(from, tunnel, 0);
	d = bpf_map_lookup_elem(&domains, &tunnel->domain);
	if (vlan == NOT_IN_VLAN || !d ||
	    find(tunnel->domain, d, vlan, p.e->dst, &there, &port) != MEMBER_PORT || vlan_out(there.member, port, vlan))
		return -2;
	ifindex = port->ifindex;
	peer = port->flags & MEMBER_PEER;
	here.remote = v6 ? p.w6->saddr : mapped(load32(&p.w->saddr));
	/* Learned from is what is unwrapped here; what the kernel will not unwrap in place is vxnet_overlay's to learn from. */
	if (remember(skb, from, there.member, v6) || unwrap(skb, v6))
		return -2;
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) <= (void *)(long)skb->data_end)
		learn(tunnel->domain, vlan, eth->h_source, &here);
	count_rx(from, bytes);
	count_tx(there.member, bytes);
	return peer ? bpf_redirect_peer(ifindex, 0) : bpf_redirect(ifindex, 0);
}

static __noinline int open_rx_flow(struct __sk_buff *skb, __u32 from)
{
	return open_flow(skb, from, 0);
}

static __noinline int open_rx_flow6(struct __sk_buff *skb, __u32 from)
{
	return open_flow(skb, from, 1);
}

/* A group's address. */
static __always_inline int is_multicast(const struct address *a)
{
	return is_ipv6(a) ? (bpf_ntohl(a->word[0]) >> 24) == 0xff : (bpf_ntohl(a->word[3]) >> 28) == 0xe;
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

static __always_inline int underlay_slow(struct __sk_buff *skb, const int v6)
{
	const __u32 ip_len = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr), at_udp = ETH_HLEN + ip_len;
	__u32 udp_len, total, want, port, slot, flags, vni, clean_flags, clean_vni;
	struct arrival_key key = {};
	struct udphdr *udp;
	struct packet p;
	struct vtep *v;
	int action, own, nobody;
	void *ip;

	if (skb->pkt_type != PACKET_HOST && skb->pkt_type != PACKET_MULTICAST)
		return DECLINE;
	want = skb->len < wire_len(v6) ? skb->len : wire_len(v6);
	if ((void *)(long)skb->data + want > (void *)(long)skb->data_end && bpf_skb_pull_data(skb, want))
		return DECLINE;
	ip = (void *)(long)skb->data + ETH_HLEN;
	udp = ip + ip_len;
	if ((void *)(udp + 1) > (void *)(long)skb->data_end || !is_udp(ip, v6))
		return DECLINE;
	port = bpf_ntohs(udp->dest);
	v = bpf_map_lookup_elem(&vteps, &port);
	if (!v)
		return DECLINE;
	key.dstport = port;
	if (v6) {
		__builtin_memcpy(&key.local, &((struct ipv6hdr *)ip)->daddr, sizeof(key.local));
		__builtin_memcpy(&key.remote, &((struct ipv6hdr *)ip)->saddr, sizeof(key.remote));
		if (!is_ipv6(&key.local) || is_unset(&key.local))
			return DECLINE;
	} else {
		key.local = mapped(((struct iphdr *)ip)->daddr);
		key.remote = mapped(((struct iphdr *)ip)->saddr);
	}
	own = same_address(&key.remote, &v->local) || same_address(&key.remote, &v->local6) || listening(v, key.remote);
	nobody = v6 && (own || is_nobody(&key.remote));
	if (!nobody && (own || is_martian(&key.remote)))
		return DECLINE;	/* the kernel drops it */
	if (!same_address(&key.local, &v->local) && !same_address(&key.local, &v->local6) && !listening(v, key.local))
		return DECLINE;

	if (nobody)
		return drop(DROP_UNKNOWN_REMOTE);
	udp_len = bpf_ntohs(udp->len);
	total = v6 ? bpf_ntohs(((struct ipv6hdr *)ip)->payload_len) + ip_len : bpf_ntohs(((struct iphdr *)ip)->tot_len);
	if (udp_len < wire_len(v6) - at_udp || !see(skb, &p, v6) || total < wire_len(v6) - ETH_HLEN ||
	    (!skb->gso_size && total > skb->len - ETH_HLEN))
		return drop(DROP_TRUNCATED);
	flags = p.e->vxlan_flags;
	vni = p.e->vxlan_vni;
	if (!(flags & VXLAN_I_FLAG) || udp_len != total - ip_len)
		return drop(DROP_BAD_HEADER);
	key.vni = bpf_ntohl(vni) >> 8;
	slot = arrival(&key);
	if (!slot)
		return drop(DROP_UNKNOWN_VNI);
	if (!may_send(slot, &key.remote))
		return drop(DROP_UNKNOWN_REMOTE);
	if ((!v6 && !ip_header_sound(ip)) || (p.e->udp_checksum && short_and_wrong(skb, at_udp, udp_len)))
		return drop(DROP_BAD_CHECKSUM);
	/* Before vxnet_overlay sees a frame, the kernel takes its tag off, and without a word drops one that is too short. */
	if (is_tag(p.e->type) && udp_len < wire_len(v6) - at_udp + VLAN_BEHIND)
		return drop(DROP_INNER_TRUNCATED);

	if (skb->pkt_type == PACKET_HOST && !is_multicast(&key.local) && plain(&p, v6) && is_ip(p.e->type) &&
	    lengths_agree(skb, &p, v6)) {
		action = v6 ? open_rx_flow6(skb, slot) : open_rx_flow(skb, slot);
		if (action != -2)
			return action;
	}
	clean_flags = VXLAN_I_FLAG;
	clean_vni = vni & ~bpf_htonl(0xff);
	if (flags != clean_flags || vni != clean_vni) {
		bpf_l4_csum_replace(skb, at_udp + 6, flags, clean_flags, BPF_F_MARK_MANGLED_0 | 4);
		bpf_l4_csum_replace(skb, at_udp + 6, vni, clean_vni, BPF_F_MARK_MANGLED_0 | 4);
		bpf_skb_store_bytes(skb, at_udp + 8, &clean_flags, 4, 0);
		bpf_skb_store_bytes(skb, at_udp + 12, &clean_vni, 4, 0);
	}
	return DECLINE;
}

/* Whom the VXLAN device got a frame from, and at which of our addresses. Returns 0 if it cannot say. */
static __always_inline int tunnel_ends(struct __sk_buff *skb, struct arrival_key *key)
{
	struct bpf_tunnel_key tunnel = {};

	if (!bpf_skb_get_tunnel_key(skb, &tunnel, sizeof(tunnel), 0)) {
		key->local = mapped(bpf_htonl(tunnel.local_ipv4));
		key->remote = mapped(bpf_htonl(tunnel.remote_ipv4));
	} else if (!bpf_skb_get_tunnel_key(skb, &tunnel, sizeof(tunnel), BPF_F_TUNINFO_IPV6)) {
		__builtin_memcpy(&key->local, tunnel.local_ipv6, sizeof(key->local));
		__builtin_memcpy(&key->remote, tunnel.remote_ipv6, sizeof(key->remote));
		if (is_nobody(&key->remote))
			__builtin_memset(&key->remote, 0, sizeof(key->remote));
	} else {
		return 0;
	}
	key->vni = tunnel.tunnel_id;
	return 1;
}

static __always_inline int overlay_to_port(struct __sk_buff *skb, struct frame *f, const struct place *to,
					   const struct member *port)
{
	__u32 ifindex = port->ifindex;
	int tag = tag_out(to->member, port, f);

	if (tag == NOT_IN_VLAN)
		return drop(DROP_VLAN_FILTERED);
	if (put_tag(skb, f, tag))
		return drop(DROP_SEND_FAILED);
	count_tx(to->member, bytes_with(f->bytes, tag));
	return bpf_redirect(ifindex, 0);
}

static __always_inline int overlay_receive(struct __sk_buff *skb)
{
	struct place here = {}, there = {};
	struct member *tunnel, *target;
	struct arrival_key key = {};
	__u32 ifindex = skb->ifindex, *port;
	struct frame f = {};
	struct macs macs;
	struct domain *d;
	int refused;

	port = bpf_map_lookup_elem(&overlays, &ifindex);
	if (!port || !tunnel_ends(skb, &key))
		return drop(DROP_UNKNOWN_VNI);
	key.dstport = *port;
	here.remote = key.remote;
	if (is_unset(&key.remote))
		return drop(DROP_UNKNOWN_REMOTE);
	here.member = f.from = arrival(&key);
	tunnel = bpf_map_lookup_elem(&members, &f.from);
	if (!f.from || !tunnel || (tunnel->kind != MEMBER_TUNNEL && tunnel->kind != MEMBER_BFD))
		return drop(DROP_UNKNOWN_VNI);
	if (!may_send(f.from, &key.remote))
		return drop(DROP_UNKNOWN_REMOTE);
	if (tunnel->kind == MEMBER_BFD)
		return hear(skb, f.from, &key.remote);
	f.domain = tunnel->domain;
	d = bpf_map_lookup_elem(&domains, &f.domain);
	if (!d || !d->used)
		return drop(DROP_UNKNOWN_VNI);
	count_rx(f.from, bytes_with(skb->len, skb->vlan_present));

	if (read_macs(skb, &macs))
		return drop(DROP_TRUNCATED);
	refused = admit(skb, &f, tunnel, d, &macs);
	if (refused)
		return drop(refused);
	if (skb->protocol == bpf_htons(ETH_P_PROBE) && is_our_probe(skb, f.domain, &here))
		return drop(DROP_LOOP);
	learn(f.domain, f.vlan, macs.src, &here);
	switch (lookup(&f, d, &macs, &there, &target)) {
	case MEMBER_PORT:
		return overlay_to_port(skb, &f, &there, target);
	case MEMBER_TUNNEL:
		return to_tunnel(skb, &f, &there, target, 0);
	default:
		if (is_storm(f.domain, &here, skb->protocol == bpf_htons(ETH_P_PROBE)))
			return drop(DROP_STORM);
		return flood_frame(skb, &f, d);
	}
}

#endif
