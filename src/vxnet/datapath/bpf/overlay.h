/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains the underlay side of the slow path: what the kernel's VXLAN device has unwrapped, the frame alone, its
 * VNI and addresses beside it. Check, learn, deliver or flood to the other members: never back into its own tunnel (rule
 * 3), which is all of a segment's underlay side, but on into other tunnels of a bridge.
 */
#ifndef VXNET_OVERLAY_H
#define VXNET_OVERLAY_H

#include "access.h"
#include "admit.h"
#include "arrival.h"
#include "fdb.h"
#include "flood.h"
#include "liveness.h"
#include "loop.h"
#include "storm.h"
#include "vlan.h"

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
	if (skb->protocol == bpf_htons(ETH_P_QUESTION) && is_our_question(skb, f.domain, &here))
		return drop(DROP_LOOP);
	learn(f.domain, f.vlan, macs.src, &here);
	switch (lookup(&f, d, &macs, &there, &target)) {
	case MEMBER_PORT:
		return overlay_to_port(skb, &f, &there, target);
	case MEMBER_TUNNEL:
		return to_tunnel(skb, &f, &there, target, 0);
	default:
		if (is_storm(f.domain, &here, skb->protocol == bpf_htons(ETH_P_QUESTION)))
			return drop(DROP_STORM);
		return flood_frame(skb, &f, d);
	}
}

#endif
