/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains the access side: what happens to a frame that a port gives us.
 *
 *   1. access_fast    IPv4 or IPv6, untagged, and this pair of MACs was seen less than a second ago: straight on.
 *   2. access_slow    otherwise: whose port, which VLAN, check and learn the source, look the destination up:
 *        3. may_leave       of a secured port: only with its sources (secure.h)
 *        4. answer          a question for an address whose MAC is known: back with it (answer.h)
 *        5. flood           group MAC, or nobody knows it; not more than storm control lets in (storm.h)
 *        6. to_port         it is here: hand it over (and remember the answer)
 *        7. to_tunnel       it is behind a remote: wrap and send (and remember), or let the VXLAN device send
 *        8. too_big         it does not fit the path: tell the sender (toobig.h)
 */
#ifndef VXNET_ACCESS_H
#define VXNET_ACCESS_H

#include "admit.h"
#include "answer.h"
#include "flood.h"
#include "flows.h"
#include "loop.h"
#include "secure.h"
#include "storm.h"
#include "toobig.h"
#include "tunnel.h"

/*
 * The kernel believes in a next hop (neighbour) only as long as it is used, and does not see what the fast path sends.
 * So every so often one frame of a flow takes the slow path, which makes the kernel confirm the neighbour.
 */
#define NEIGHBOUR_CONFIRM (15 * 1000000000LL)

static __always_inline int hand_over(struct __sk_buff *skb, __u32 ifindex, __u32 peer)
{
	if (!peer)
		return bpf_redirect(ifindex, 0);
	/* The frame's destination is not the host's end of the veth; the guest's stack must not take that for "not me". */
	bpf_skb_change_type(skb, PACKET_HOST);
	return bpf_redirect_peer(ifindex, 0);
}

/* Returns an action, or -1 to decline. */
static __always_inline int access_fast(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct tx_flow_key key = { .ifindex = skb->ifindex };
	__u32 bytes = skb->len;
	struct tx_flow *flow;
	struct inner inner;

	if (!is_ip(skb->protocol) || skb->vlan_present || data + ETH_HLEN > end)
		return -1;
	copy_macs(key.dst, data);
	flow = tx_slot(&key);
	if (!flow || !same_tx_key(&flow->key, &key) || !holds(flow->epoch, flow->moves, flow->domain, flow->checked))
		return -1;
	if (flow->flags & FLOW_SECURED && !same_source(skb, flow))
		return -1;
	if (!(flow->flags & FLOW_LOCAL)) {
		if (bytes + IP_OVERHEAD > 65535 || !parse_inner(skb, &inner) || wire_length(skb, &inner) > flow->mtu ||
		    wrap(skb, flow, &inner))
			return -1;
	}
	count_rx(flow->from, bytes);
	count_tx(flow->to, bytes);
	if (flow->flags & FLOW_LOCAL)
		return hand_over(skb, flow->ifindex, flow->flags & FLOW_PEER);
	return bpf_redirect(flow->ifindex, 0);
}

/*
 * Remember the answer for this pair of MACs, and wrap if it is behind a remote. For frames that come and go without a
 * tag. Returns the ifindex to send it to, 0: take the slow path, or below 0: it is too large for the path, and this is its
 * MTU, negative.
 */
static __noinline int open_tx_flow(struct __sk_buff *skb, __u32 from, struct place *to)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct tx_flow_key key = { .ifindex = skb->ifindex };
	__u32 zero = 0, *moved;
	struct tx_flow *flow;
	struct member *m, *own;
	struct inner inner;
	struct state *s;
	struct vtep *v;
	__u32 secured;
	int is_new;
	__u64 now;

	s = bpf_map_lookup_elem(&state, &zero);
	if (!to || !s || data + ETH_HLEN > end || !is_ip(skb->protocol))
		return 0;
	m = bpf_map_lookup_elem(&members, &to->member);
	own = bpf_map_lookup_elem(&members, &from);
	if (!m || !own)
		return 0;
	moved = bpf_map_lookup_elem(&moves, &m->domain);
	copy_macs(key.dst, data);
	flow = tx_slot(&key);
	if (!moved || !flow)
		return 0;
	now = bpf_ktime_get_coarse_ns();
	is_new = !same_tx_key(&flow->key, &key);
	if (is_new)
		flow->confirmed = now;
	secured = own->flags & MEMBER_SECURED ? FLOW_SECURED : 0;
	if (secured)
		note_sources(skb, flow, is_new || flow->epoch != s->epoch);
	__builtin_memset(&flow->key, 0, sizeof(flow->key));	/* empty until all of it is written */
	flow->checked = now;
	flow->epoch = s->epoch;
	flow->moves = *moved;
	flow->domain = m->domain;
	flow->from = from;
	flow->to = to->member;
	if (m->kind == MEMBER_PORT) {
		flow->ifindex = m->ifindex;
		flow->flags = secured | FLOW_LOCAL | (m->flags & MEMBER_PEER ? FLOW_PEER : 0);
		flow->key = key;
		return m->ifindex;
	}
	flow->flags = secured;
	v = bpf_map_lookup_elem(&vteps, &m->dstport);
	if (!v || !parse_inner(skb, &inner) || prepare(skb, v, m, &to->remote, flow))
		return 0;
	__builtin_memcpy(flow->flags & FLOW_IPV6 ? flow->wire6.encap.dst : flow->wire.encap.dst, key.dst, 2 * MAC_LEN);
	flow->key = key;
	if (wire_length(skb, &inner) > flow->mtu)
		return v->mtu || m->flags & MEMBER_DF ? -(int)flow->mtu : 0;
	if (skb->len + IP_OVERHEAD > 65535)
		return 0;
	if ((__s64)(now - flow->confirmed) > NEIGHBOUR_CONFIRM) {
		flow->confirmed = now;
		return 0;
	}
	return wrap(skb, flow, &inner) ? 0 : (int)flow->ifindex;
}

static __always_inline int to_port(struct __sk_buff *skb, struct frame *f, struct place *to,
				   const struct member *port)
{
	__u32 ifindex = port->ifindex, peer = port->flags & MEMBER_PEER;
	int tag = tag_out(to->member, port, f);

	if (to->member == f->from)
		return drop(DROP_SAME_PORT);
	if (tag == NOT_IN_VLAN)
		return drop(DROP_VLAN_FILTERED);
	if (put_tag(skb, f, tag))
		return drop(DROP_SEND_FAILED);
	count_tx(to->member, bytes_with(f->bytes, tag));
	if (!tag && !f->tag.vid && !skb->vlan_present)
		open_tx_flow(skb, f->from, to);
	return hand_over(skb, ifindex, peer);
}

/*
 * The end of a frame that is too large for the path, whose IP MTU is `mtu`, over IPv6 less what its header is longer (rule
 * 10). Its sender is told, if it came from a port: what comes out of a tunnel is another host's to tell.
 */
static __noinline int too_big(struct __sk_buff *skb, struct frame *f, __u32 mtu)
{
	struct member *port = bpf_map_lookup_elem(&members, &f->from);
	int length, tag;

	count_drop(DROP_TOO_BIG);
	if (!port || port->kind != MEMBER_PORT || skb->vlan_present || mtu < IP_OVERHEAD + ETH_HLEN)
		return TC_ACT_SHOT;
	tag = tag_out(f->from, port, f);
	length = tell(skb, f->from, mtu - IP_OVERHEAD - ETH_HLEN);
	if (!length || tag == NOT_IN_VLAN || put_tag(skb, f, tag))
		return TC_ACT_SHOT;
	count_tx(f->from, bytes_with(length, tag));
	return hand_over(skb, port->ifindex, port->flags & MEMBER_PEER);
}

/*
 * may_open: a flow may be opened. Not for frames out of a tunnel, which go into another one of a bridge: all packets of a
 * VXLAN device would share it.
 */
static __always_inline int to_tunnel(struct __sk_buff *skb, struct frame *f, struct place *to,
				     const struct member *tunnel, int may_open)
{
	struct vtep *v = bpf_map_lookup_elem(&vteps, &tunnel->dstport);
	int tag = tag_out(to->member, tunnel, f), out;
	struct inner inner = {};

	if (to->member == f->from)
		return drop(DROP_SPLIT_HORIZON);
	if (tag == NOT_IN_VLAN)
		return drop(DROP_VLAN_FILTERED);
	if (!v)
		return drop(DROP_NO_PORT);
	if (may_open && is_ip(skb->protocol) && !tag && !f->tag.vid && !skb->vlan_present) {
		out = open_tx_flow(skb, f->from, to);
		if (out < 0)
			return too_big(skb, f, -out);
		if (out) {
			count_tx(to->member, f->bytes);
			return bpf_redirect(out, 0);
		}
	}
	if (is_ip(skb->protocol))
		parse_inner(skb, &inner);
	if (!fits(v, &to->remote, bytes_with(bytes_with(wire_length(skb, &inner), skb->vlan_present), tag)))
		return too_big(skb, f, v->mtu - (is_ipv6(&to->remote) ? IPV6_EXTRA : 0));
	return to_overlay(skb, f, to, tunnel, tag);
}

static __noinline int access_slow(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, *slot;
	struct place here = {}, there = {};
	struct member *port, *target;
	struct frame f = {};
	struct macs macs;
	struct domain *d;
	int refused, answered;

	slot = bpf_map_lookup_elem(&ports, &ifindex);
	if (!slot)
		return TC_ACT_UNSPEC;	/* a port no more: its device was taken to another network namespace */
	here.member = f.from = *slot;
	port = bpf_map_lookup_elem(&members, &f.from);
	if (!port || port->kind != MEMBER_PORT)
		return drop(DROP_NO_PORT);
	f.domain = port->domain;
	d = bpf_map_lookup_elem(&domains, &f.domain);
	if (!d || !d->used)
		return drop(DROP_NO_PORT);
	count_rx(f.from, bytes_with(skb->len, d->flags & DOMAIN_VLANS && skb->vlan_present));

	if (port->flags & MEMBER_LOOP)
		return drop(DROP_LOOP);
	if (read_macs(skb, &macs))
		return drop(DROP_BAD_SOURCE);
	refused = admit(skb, &f, port, d, &macs);
	if (refused)
		return drop(refused);
	if (port->flags & MEMBER_SECURED && !may_leave(skb, f.from, macs.src))
		return drop(DROP_SPOOFED);
	if (skb->protocol == bpf_htons(ETH_P_QUESTION) && is_our_question(skb, f.domain, &here))
		return drop(DROP_LOOP);
	learn(f.domain, f.vlan, macs.src, &here);
	if (!(d->flags & DOMAIN_BRIDGE) && !f.tag.vid && is_group(macs.dst)) {
		answered = answer(skb, f.domain);
		if (answered < 0)
			return drop(DROP_SEND_FAILED);
		if (answered) {
			count_tx(f.from, answered);
			return hand_over(skb, port->ifindex, port->flags & MEMBER_PEER);
		}
	}
	switch (lookup(&f, d, &macs, &there, &target)) {
	case MEMBER_PORT:
		return to_port(skb, &f, &there, target);
	case MEMBER_TUNNEL:
		return to_tunnel(skb, &f, &there, target, 1);
	default:
		if (is_storm(f.domain, &here, skb->protocol == bpf_htons(ETH_P_QUESTION)))
			return drop(DROP_STORM);
		return flood_frame(skb, &f, d);
	}
}

#endif
