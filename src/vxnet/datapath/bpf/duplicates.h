/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains what is done about a MAC that is in two places at once, and so moves to and fro (rule 12; RFC 7432,
 * section 15.1): someone uses another's MAC, a loop brings frames back, a bond sends through two ports by turns.
 *
 *   H -> A          1   the first move: H is its home
 *   A -> H          2
 *   H -> A          3
 *   A -> H          4
 *   H -> A          5   `max_moves` in DUPLICATE_TIME: a duplicate, which for so long only its home teaches
 *
 * It stays at home, and not where it is, as he who wants it elsewhere could choose when to stop. That its home is the right
 * place nobody can know; it was there first.
 *
 * Moves are counted where they happen: a MAC that stays where it is costs nothing.
 */
#ifndef VXNET_DUPLICATES_H
#define VXNET_DUPLICATES_H

#include "counters.h"
#include "parse.h"

enum verdict { STAY = 0, MOVE = 1, GO_HOME = 2 };

static __always_inline int same_place(const struct place *a, const struct place *b)
{
	return a->member == b->member && same_address(&a->remote, &b->remote);
}

/* What is remembered of a MAC's moves, unless that is too long ago. */
static __always_inline struct moved *lately_moved(const struct fdb_key *key)
{
	struct moved *m = bpf_map_lookup_elem(&moved, key);

	return m && (__s64)(bpf_ktime_get_coarse_ns() - m->since) < DUPLICATE_TIME ? m : 0;
}

/* The first move, from home. Returns 0 if there is no room. */
static __always_inline struct moved *first_move(const struct fdb_key *key, const struct place *home)
{
	struct moved first = { .home = *home, .since = bpf_ktime_get_coarse_ns() };

	bpf_map_update_elem(&moved, key, &first, BPF_ANY);
	return bpf_map_lookup_elem(&moved, key);
}

/* A MAC that is not at `seen` was seen there. Is it learned there, or at its home, or neither? Not inlined: see fdb.h. */
static __noinline enum verdict may_move(__u32 domain, __u32 vlan, const __u8 *mac, const struct place *seen)
{
	struct fdb_key key = { .domain = domain, .vlan = vlan };
	struct domain *d = bpf_map_lookup_elem(&domains, &domain);
	struct fdb_entry *e;
	struct moved *m;

	if (!mac || !seen || !d)
		return STAY;
	if (!d->max_moves)
		return MOVE;
	__builtin_memcpy(key.mac, mac, MAC_LEN);
	e = bpf_map_lookup_elem(&fdb, &key);
	m = lately_moved(&key);
	if (m && m->duplicate && !same_place(&m->home, seen)) {
		count_unlearned(seen->member);
		return STAY;
	}
	if (!e || (m && m->duplicate))
		return MOVE;
	if (!m)
		m = first_move(&key, &e->place);
	if (!m)
		return MOVE;
	if (!same_place(&m->home, seen))
		m->other = *seen;
	if (__sync_fetch_and_add(&m->moves, 1) + 1 < d->max_moves)
		return MOVE;
	m->since = bpf_ktime_get_coarse_ns();
	m->duplicate = 1;
	if (!same_place(&m->home, &e->place))
		return GO_HOME;
	count_unlearned(seen->member);
	return STAY;
}

#endif
