/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains the underlay side: what happens to a packet that arrives on the device with the VTEP's address.
 *
 *   1. underlay_fast  a plain VXLAN packet (IPv4 without options or fragments, UDP without checksum) whose VNI, addresses
 *                     and MACs were seen less than a second ago: unwrap, straight to its port.
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
#include "tunnel.h"

#define DECLINE TC_ACT_UNSPEC

/*
 * What the outer ECN field says and the inner one does not is brought over by the kernel (RFC 6040, section 4.2): a
 * mark, and ECT(1) to ECT(0). Both are rare.
 */
static __always_inline int ecn_agrees(const struct __sk_buff *skb, const struct wire *w)
{
	__u8 outer = w->tos & ECN_MASK, inner[2] = {};

	if (!(outer & ECN_ECT1))
		return 1;
	bpf_skb_load_bytes(skb, WIRE_LEN, inner, sizeof(inner));
	if (w->type == bpf_htons(ETH_P_IPV6))
		inner[1] >>= 4;
	return outer == ECN_ECT1 && (inner[1] & ECN_MASK) != ECN_ECT0;
}

/* One VXLAN packet as struct wire shows it: the 64 bytes are there, and they are IPv4, UDP, unfragmented, unchecked. */
static __always_inline int plain(const struct wire *w)
{
	return w->version_ihl == 0x45 && w->protocol == IPPROTO_UDP && !(w->fragment & IP_FRAGMENT) &&
	       !w->udp_checksum && ip_header_sound(w);
}

static __always_inline int lengths_agree(const struct __sk_buff *skb, const struct wire *w)
{
	__u16 total = bpf_ntohs(w->total_length);

	return total == (__u16)(skb->len - ETH_HLEN) && bpf_ntohs(w->udp_length) == (__u16)(total - sizeof(struct iphdr));
}

/*
 * A GSO packet that is unwrapped in place still carries the tunnel's GSO type, which the VXLAN device would take off.
 * Whole segments of a stream do not mind, if they go straight into a guest. Datagrams do: the socket cuts them apart
 * again, and the kernel would look for a tunnel in them.
 */
static __always_inline int gso_bears_unwrapping(const struct __sk_buff *skb, __be16 type, __u32 peer)
{
	__u32 at = WIRE_LEN + (type == bpf_htons(ETH_P_IP) ? AT_IPV4_PROTOCOL : AT_IPV6_NEXT_HEADER);
	__u8 protocol = 0;

	if (!skb->gso_size)
		return 1;
	bpf_skb_load_bytes(skb, at, &protocol, 1);
	return peer && protocol == IPPROTO_TCP;
}

static __always_inline void rx_key(struct rx_flow_key *key, const struct wire *w)
{
	key->vni = load32(&w->vxlan_vni);
	key->remote = load32(&w->saddr);
	key->local = load32(&w->daddr);
	key->dport = w->dport;
	key->unused = key->unused2 = 0;
	copy_macs(key->dst, w->dst);
}

/* Returns an action, or -2 to decline. */
static __always_inline int underlay_fast(struct __sk_buff *skb)
{
	struct wire *w = (void *)(long)skb->data;
	__u32 bytes = skb->len - OUTER_LEN;
	struct rx_flow_key key;
	struct rx_flow *flow;

	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST ||
	    (void *)(w + 1) > (void *)(long)skb->data_end)
		return -2;
	if (!plain(w) || !is_ip(w->type) || !lengths_agree(skb, w) || !(load32(&w->vxlan_flags) & VXLAN_I_FLAG) ||
	    !ecn_agrees(skb, w))
		return -2;
	rx_key(&key, w);
	flow = rx_slot(&key);
	if (!flow || !same_rx_key(&flow->key, &key) || !holds(flow->epoch, flow->moves, flow->domain, flow->checked))
		return -2;
	if (!gso_bears_unwrapping(skb, w->type, flow->flags & FLOW_PEER))
		return -2;
	if (unwrap(skb))
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

/* Do we receive at this address, besides the VTEP's own: a group, or, where the VTEP has none, any of this host's? */
static __always_inline int listening(const struct vtep *v, struct address local)
{
	struct arrival_key key = { .vni = LISTENING, .dstport = v->dstport, .local = local };

	return bpf_map_lookup_elem(&arrivals, &key) != 0;
}

/* A source the kernel would not take from the wire either: none, 127/8, a group, the broadcast address. */
static __always_inline int is_martian(__be32 ipv4)
{
	__u8 first = bpf_ntohl(ipv4) >> 24;

	return !ipv4 || first == 127 || (first & 0xf0) == 0xe0 || ipv4 == 0xffffffff;
}

/* Known unicast to a port: learn, remember and unwrap. Returns the action, or -2 to leave it to the VXLAN device. */
static __noinline int open_rx_flow(struct __sk_buff *skb, __u32 from)
{
	struct wire *w = (void *)(long)skb->data;
	struct place here = { .member = from }, there = {};
	struct member *tunnel, *port;
	struct rx_flow_key key;
	struct rx_flow *flow;
	__u32 zero = 0, bytes = skb->len - OUTER_LEN, *moved;
	struct state *s = bpf_map_lookup_elem(&state, &zero);
	struct domain *d;
	int vlan;

	if (!s || (void *)(w + 1) > (void *)(long)skb->data_end)
		return -2;
	if (is_group(w->dst) || is_group(w->src) || is_zero(w->src) || same_mac(w->dst, w->src))
		return -2;
	if (skb->len < WIRE_LEN + (w->type == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))
		return -2;	/* nothing is learned from it: the kernel drops it */
	tunnel = bpf_map_lookup_elem(&members, &from);
	if (!tunnel)
		return -2;
	vlan = vlan_in(from, tunnel, 0);
	d = bpf_map_lookup_elem(&domains, &tunnel->domain);
	moved = bpf_map_lookup_elem(&moves, &tunnel->domain);
	if (vlan == NOT_IN_VLAN || !d || !moved || find(tunnel->domain, d, vlan, w->dst, &there, &port) != MEMBER_PORT ||
	    vlan_out(there.member, port, vlan))
		return -2;
	if (!gso_bears_unwrapping(skb, w->type, port->flags & MEMBER_PEER))
		return -2;
	rx_key(&key, w);
	here.remote = mapped(key.remote);
	learn(tunnel->domain, vlan, w->src, &here);
	flow = rx_slot(&key);
	if (!flow)
		return -2;
	flow->key = key;
	flow->checked = now_ns();
	flow->epoch = s->epoch;
	flow->moves = *moved;
	flow->domain = tunnel->domain;
	flow->from = from;
	flow->to = there.member;
	flow->ifindex = port->ifindex;
	flow->flags = port->flags & MEMBER_PEER ? FLOW_PEER : 0;
	if (unwrap(skb))
		return -2;
	count_rx(from, bytes);
	count_tx(flow->to, bytes);
	return flow->flags & FLOW_PEER ? bpf_redirect_peer(flow->ifindex, 0) : bpf_redirect(flow->ifindex, 0);
}

/* A group's address. */
static __always_inline int is_multicast(__be32 ipv4)
{
	return (ipv4 & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000);
}

static __always_inline int underlay_slow(struct __sk_buff *skb)
{
	__u32 udp_len, want, port, slot, flags, vni, clean_flags, clean_vni;
	int at_udp = ETH_HLEN + sizeof(struct iphdr), action;
	struct arrival_key key = {};
	struct vtep *v;
	struct iphdr *ip;
	struct wire *w;
	void *end;

	if (skb->protocol != bpf_htons(ETH_P_IP) ||
	    (skb->pkt_type != PACKET_HOST && skb->pkt_type != PACKET_MULTICAST))
		return DECLINE;
	want = skb->len < WIRE_LEN ? skb->len : WIRE_LEN;
	if ((void *)(long)skb->data + want > (void *)(long)skb->data_end && bpf_skb_pull_data(skb, want))
		return DECLINE;
	ip = (void *)(long)skb->data + ETH_HLEN;
	end = (void *)(long)skb->data_end;
	/* The kernel judges odd IP headers, and puts fragments together before the VXLAN device sees them. */
	if ((void *)ip + sizeof(*ip) + sizeof(struct udphdr) > end || *(__u8 *)ip != 0x45 ||
	    ip->protocol != IPPROTO_UDP || (ip->frag_off & IP_FRAGMENT))
		return DECLINE;
	w = (void *)(long)skb->data;
	port = bpf_ntohs(((struct udphdr *)(ip + 1))->dest);
	v = bpf_map_lookup_elem(&vteps, &port);
	if (!v)
		return DECLINE;
	key.dstport = port;
	key.local = mapped(ip->daddr);
	key.remote = mapped(ip->saddr);
	if (is_martian(ip->saddr) || same_address(&key.remote, &v->local) || listening(v, key.remote))
		return DECLINE;
	if (!same_address(&key.local, &v->local) && !listening(v, key.local))
		return DECLINE;

	udp_len = bpf_ntohs(((struct udphdr *)(ip + 1))->len);
	if (udp_len < WIRE_LEN - ETH_HLEN - sizeof(*ip) || (void *)(w + 1) > end ||
	    bpf_ntohs(ip->tot_len) < WIRE_LEN - ETH_HLEN || (!skb->gso_size && bpf_ntohs(ip->tot_len) > skb->len - ETH_HLEN))
		return drop(DROP_TRUNCATED);
	if (!(w->vxlan_flags & VXLAN_I_FLAG) || udp_len != (__u32)bpf_ntohs(ip->tot_len) - sizeof(*ip))
		return drop(DROP_BAD_HEADER);
	flags = w->vxlan_flags;
	vni = w->vxlan_vni;
	key.vni = bpf_ntohl(vni) >> 8;
	slot = arrival(&key);
	if (!slot)
		return drop(DROP_UNKNOWN_VNI);
	if (!ip_header_sound(w) || (w->udp_checksum && short_and_wrong(skb, udp_len)))
		return drop(DROP_BAD_CHECKSUM);

	if (skb->pkt_type == PACKET_HOST && !is_multicast(ip->daddr) && plain(w) && is_ip(w->type) &&
	    lengths_agree(skb, w) && ecn_agrees(skb, w)) {
		action = open_rx_flow(skb, slot);
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
	struct bpf_tunnel_key tunnel_key = {};
	struct member *tunnel, *target;
	struct arrival_key key = {};
	__u32 ifindex = skb->ifindex, *port;
	struct frame f = {};
	struct macs macs;
	struct domain *d;
	int refused;

	port = bpf_map_lookup_elem(&overlays, &ifindex);
	if (!port || bpf_skb_get_tunnel_key(skb, &tunnel_key, sizeof(tunnel_key), 0))
		return drop(DROP_UNKNOWN_VNI);
	key.vni = tunnel_key.tunnel_id;
	key.dstport = *port;
	key.local = mapped(bpf_htonl(tunnel_key.local_ipv4));
	key.remote = here.remote = mapped(bpf_htonl(tunnel_key.remote_ipv4));
	here.member = f.from = arrival(&key);
	tunnel = bpf_map_lookup_elem(&members, &f.from);
	if (!f.from || !tunnel || tunnel->kind != MEMBER_TUNNEL)
		return drop(DROP_UNKNOWN_VNI);
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
	learn(f.domain, f.vlan, macs.src, &here);
	switch (lookup(&f, d, &macs, &there, &target)) {
	case MEMBER_PORT:
		return overlay_to_port(skb, &f, &there, target);
	case MEMBER_TUNNEL:
		return to_tunnel(skb, &f, &there, target, 0);
	default:
		return flood_frame(skb, &f, d);
	}
}

#endif
