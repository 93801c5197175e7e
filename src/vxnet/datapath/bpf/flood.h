/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* This file contains flooding (rule 4): one copy for every place on the domain's list but those it must not go to. */
#ifndef VXNET_FLOOD_H
#define VXNET_FLOOD_H

#include "counters.h"
#include "tunnel.h"

struct flood_run {
	struct __sk_buff *skb;
	struct flood_key key;
	__u32 from;		/* the member the frame came from gets no copy */
	__u32 to_tunnels;	/* 0: the frame came from the underlay and never goes back there */
	__u32 too_big;		/* 1: it does not fit the underlay */
	__u32 overlay;
	__u32 bytes;
	__u32 sent;		/* flags, not counts: the verifier would follow every value a count can take */
	__u32 stuck;		/* too big, and there was a tunnel it should have gone to */
	__u32 failed;
};

static long flood_one(__u32 index, void *arg)
{
	struct flood_run *run = arg;
	struct flood_key key = run->key;
	struct member *m;
	struct place *to;
	__u32 ifindex;

	key.index = index;
	to = bpf_map_lookup_elem(&flood, &key);
	if (!to || to->member == run->from)
		return 0;
	m = bpf_map_lookup_elem(&members, &to->member);
	if (!m || m->domain != key.domain)
		return 0;
	if (m->kind == MEMBER_TUNNEL) {
		if (!run->to_tunnels)
			return 0;
		if (run->too_big) {
			run->stuck = 1;
			return 0;
		}
		if (set_tunnel(run->skb, m, &to->remote)) {
			run->failed = 1;
			return 0;
		}
		ifindex = run->overlay;
	} else {
		ifindex = m->ifindex;
	}
	if (bpf_clone_redirect(run->skb, ifindex, 0) < 0) {
		run->failed = 1;
		return 0;
	}
	count_tx(to->member, run->bytes);
	run->sent = 1;
	return 0;
}

/* Returns the action for the frame itself, of which only the copies travel on. */
static __always_inline int flood_frame(struct __sk_buff *skb, __u32 domain, const struct domain *d, __u32 from,
				       __u32 overlay, __u32 to_tunnels, __u32 too_big)
{
	struct flood_run run = {
		.skb = skb,
		.from = from,
		.to_tunnels = to_tunnels,
		.too_big = too_big,
		.overlay = overlay,
		.bytes = skb->len,
	};
	__u64 list = *(const volatile __u64 *)&d->flood_version;	/* version and count together */

	run.key.domain = domain;
	run.key.version = (__u32)list;
	bpf_loop(list >> 32, flood_one, &run, 0);
	if (run.stuck)
		count_drop(DROP_TOO_BIG);
	else if (run.failed)
		count_drop(DROP_SEND_FAILED);
	else if (!run.sent)
		count_drop(DROP_NO_DESTINATION);
	return TC_ACT_SHOT;
}

#endif
