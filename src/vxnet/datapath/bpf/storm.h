/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains storm control (rule 11): how much BUM may come from one place, and into one domain.
 *
 *   a frame to be flooded
 *     |  1. its place (a port, or one remote)      at most `storm_control` a second, a port's own or its domain's
 *     |  2. its domain, from all places together   at most `storm_control_total` a second
 *     v
 *   flood_frame
 *
 * Known unicast does not come here. A bucket holds a second's frames: so many may come at once. It is kept as the time up
 * to which what has come is paid for: each frame moves that on by its share of a second, and who would move it into the
 * future has to wait. One number, that all CPUs share: a flood takes microseconds, the sharing of a cache line a fraction of
 * that, and a limit for each CPU would be as many times the limit. Two CPUs at the same instant may let in one frame each
 * where there is one left; it is paid for all the same.
 */
#ifndef VXNET_STORM_H
#define VXNET_STORM_H

#include "counters.h"

#define SECOND 1000000000ULL
#define TOTAL_OF (1U << 30)		/* a domain, in the place of a member: none has such a number */

#define QUESTIONS 100			/* of loop.h, a second from one place */
#define QUESTIONS_FROM (1U << 31)		/* no member has such a number */

/* One frame more, of `limit` a second? */
static __always_inline int admits(__u64 *paid, __u32 limit)
{
	__u64 now = bpf_ktime_get_coarse_ns(), since = *paid;

	if (now < SECOND)
		return 1;	/* since boot */
	if (since < now - SECOND)
		*paid = since = now - SECOND;
	if (since >= now)
		return 0;
	__sync_fetch_and_add(paid, (SECOND + limit - 1) / limit);
	return 1;
}

static __always_inline __u64 *bucket(const struct place *from)
{
	__u64 full = 0, *paid = bpf_map_lookup_elem(&storms, from);

	if (paid)
		return paid;
	bpf_map_update_elem(&storms, from, &full, BPF_NOEXIST);
	return bpf_map_lookup_elem(&storms, from);
}

/*
 * Is this frame to be flooded one too many? Counted at the member it came from. Not inlined: the stack is short. Another
 * host's questions have a bucket of their own, as what they look for is what empties the others.
 */
static __noinline int is_storm(__u32 domain, const struct place *from, int is_question)
{
	struct domain *d = bpf_map_lookup_elem(&domains, &domain);
	struct place all = { .member = TOTAL_OF | domain };
	__u32 limit, total;
	struct member *m;
	struct place own;
	__u64 *paid;

	if (!d || !from)
		return 0;
	m = bpf_map_lookup_elem(&members, &from->member);
	limit = m && m->storm_control ? m->storm_control : d->storm_control;
	total = d->storm_control_total;
	if (!limit && !total)
		return 0;
	own = *from;
	if (is_question) {
		own.member |= QUESTIONS_FROM;
		limit = QUESTIONS;
		total = 0;
	}
	if (limit) {
		paid = bucket(&own);
		if (paid && !admits(paid, limit))
			goto too_many;
	}
	if (total) {
		paid = bucket(&all);
		if (paid && !admits(paid, total))
			goto too_many;
	}
	return 0;
too_many:
	count_suppressed(from->member);
	return 1;
}

#endif
