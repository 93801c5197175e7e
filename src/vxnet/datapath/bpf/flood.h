/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* This file contains flooding (rule 4): one copy for every place on the domain's list but those it must not go to. */
#ifndef VXNET_FLOOD_H
#define VXNET_FLOOD_H

#include "counters.h"
#include "tunnel.h"

struct flood_run {
	struct __sk_buff *skb;
	struct flood_key key;
	struct frame *f;
	__u32 length;		/* of the outer packet, were it IPv4 */
	__u8 sent;		/* flags, not counts: the verifier would follow every value a count can take */
	__u8 stuck;		/* too big for a tunnel it should have gone to */
	__u8 failed;
};

/* A VTEP never fragments, whatever routers may do (RFC 7348, section 4.3). length: of the outer packet, were it IPv4. */
static __always_inline int fits(const struct vtep *v, const struct address *remote, __u32 length)
{
	return !v->mtu || length + (is_ipv6(remote) ? IPV6_EXTRA : 0) <= v->mtu;
}

static long flood_one(__u32 index, void *arg)
{
	struct flood_run *run = arg;
	struct flood_key key = run->key;
	struct member *m;
	struct place *to;
	struct vtep *v;
	__u32 ifindex;
	int tag;

	key.index = index;
	to = bpf_map_lookup_elem(&flood, &key);
	/* Nothing goes back where it came from: through a tunnel, to none of its remotes (rule 3). */
	if (!to || to->member == run->f->from)
		return 0;
	m = bpf_map_lookup_elem(&members, &to->member);
	if (!m || m->domain != key.domain || m->flags & MEMBER_LOOP)
		return 0;
	tag = tag_out(to->member, m, run->f);
	if (tag == NOT_IN_VLAN)
		return 0;
	if (m->kind == MEMBER_TUNNEL) {
		v = bpf_map_lookup_elem(&vteps, &m->dstport);
		if (!v)
			return 0;
		if (!fits(v, &to->remote, bytes_with(run->length, tag))) {
			run->stuck = 1;
			return 0;
		}
		if (set_tunnel(run->skb, v, m, &to->remote)) {
			run->failed = 1;
			return 0;
		}
		ifindex = v->overlay;
	} else {
		ifindex = m->ifindex;
	}
	if (put_tag(run->skb, run->f, tag) || bpf_clone_redirect(run->skb, ifindex, 0) < 0) {
		run->failed = 1;
		return 0;
	}
	count_tx(to->member, bytes_with(run->f->bytes, tag));
	run->sent = 1;
	return 0;
}

/*
 * Returns the action for the frame itself, of which only the copies travel on. Not inlined: the stack is short, and who
 * calls this has other calls to make that need it.
 */
static __noinline int flood_frame(struct __sk_buff *skb, struct frame *f, const struct domain *d)
{
	struct flood_run run = {
		.skb = skb,
		.f = f,
	};
	__u64 list = *(const volatile __u64 *)&d->flood_version;	/* version and count together */
	struct inner inner = {};

	if (is_ip(skb->protocol))
		parse_inner(skb, &inner);
	run.length = bytes_with(wire_length(skb, &inner), skb->vlan_present);
	run.key.domain = f->domain;
	run.key.version = (__u32)list;
	/*
	 * No tag yet: 0, but not to the verifier's knowledge. Old ones (Linux 6.1) read the first round alone, and would take
	 * out of the program what only a later one does, such as taking the last copy's tag off.
	 */
	f->out = skb->len >> 31;
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
