/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains the underlay side: what happens to a packet that arrives on the device with the VTEP's address.
 *
 *   1. underlay_fast    a plain VXLAN packet (IPv4 without options or fragments, or IPv6 without extension headers; UDP
 *                       without checksum) whose VNI, addresses and MACs were seen less than a second ago: unwrap,
 *                       straight to its port.
 *   2. underlay_slow    otherwise, if it is for our address (or a group) and UDP port: refuse what is not VXLAN or not for
 *                       any segment (arrival.h); known unicast is learned from, unwrapped and delivered; reserved bits
 *                       are cleared (RFC 7348, section 5: ignored on receipt; the kernel would refuse them); the rest
 *                       goes on up the stack, to the kernel's VXLAN device.
 *   3. overlay_receive  what the VXLAN device made of it (overlay.h).
 *
 * Packets that are none of our business get TC_ACT_UNSPEC: other programs on the device, and the host, see them untouched.
 */
#ifndef VXNET_UNDERLAY_H
#define VXNET_UNDERLAY_H

#include "arrival.h"
#include "checksum.h"
#include "counters.h"
#include "fdb.h"
#include "flows.h"
#include "outer.h"
#include "tunnel.h"
#include "vlan.h"

#define DECLINE TC_ACT_UNSPEC

/*
 * Order: what is left to the slow path waits in the VXLAN device's queue (gro_cells) for a moment, and what comes behind it
 * must not go by. So for this long the rest of these two MACs' packets goes the same way; it is some of the coarse clock's
 * ticks, and the queue is served in the same round of softirqs.
 */
#define SLOW_PATH_DRAINS 20000000LL

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

#endif
