/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains the FDB: learning, lookup, ageing (rules 2, 3 and 5).
 *
 * Ageing needs nobody: an entry older than its domain's ageing is not found any more, and the daemon's sweep only frees
 * its memory.
 */
#ifndef VXNET_FDB_H
#define VXNET_FDB_H

#include "counters.h"
#include "duplicates.h"
#include "parse.h"

static __always_inline __u64 now_ns(void)
{
	return bpf_ktime_get_coarse_ns();
}

static __always_inline int expired(const struct fdb_entry *e, const struct domain *d, __u64 now)
{
	return !(e->flags & FDB_STATIC) && d->ageing && (__s64)(now - e->last_seen) >= (__s64)d->ageing;
}

/* One more entry for this place, unless it has taught its share. */
static __always_inline int may_teach(const struct domain *d, const struct place *at)
{
	__u32 zero = 0, *n = bpf_map_lookup_elem(&learned, at);

	if (!n) {
		bpf_map_update_elem(&learned, at, &zero, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&learned, at);
		if (!n)
			return 0;
	}
	if (*n >= d->maxaddress)
		return 0;
	__sync_fetch_and_add(n, 1);
	return 1;
}

static __always_inline void taught_one_less(const struct place *at)
{
	__u32 *n = bpf_map_lookup_elem(&learned, at);

	if (n && *n)
		__sync_fetch_and_add(n, -1);
}

/*
 * Rule 2 in four steps, each of which needs the stack for itself; so they are called one after the other, and not one by the
 * other.
 *
 *   1. is_elsewhere    no: it has been seen again, or is not learned at all
 *   2. has_taught_all  its new place: that is no move
 *   3. may_move        duplicates.h
 *   4. teach           at its new place
 */
static __noinline int is_elsewhere(__u32 domain, __u32 vlan, const __u8 *mac, const struct place *seen)
{
	struct fdb_key key = { .domain = domain, .vlan = vlan };
	struct fdb_entry *e;
	struct domain *d;

	if (!mac || !seen || is_group(mac))
		return 0;
	d = bpf_map_lookup_elem(&domains, &domain);
	if (!d || !(d->flags & DOMAIN_LEARNING))
		return 0;
	__builtin_memcpy(key.mac, mac, MAC_LEN);
	e = bpf_map_lookup_elem(&fdb, &key);
	if (!e)
		return 1;
	if (e->flags & FDB_STATIC)
		return 0;
	if (!same_place(&e->place, seen))
		return 1;
	e->last_seen = now_ns();
	return 0;
}

static __noinline int has_taught_all(__u32 domain, const struct place *at)
{
	struct domain *d = bpf_map_lookup_elem(&domains, &domain);
	__u32 *n;

	if (!at || !d)
		return 1;
	n = bpf_map_lookup_elem(&learned, at);
	if (!n || *n < d->maxaddress)
		return 0;
	count_unlearned(at->member);
	return 1;
}

static __noinline int teach(__u32 domain, __u32 vlan, const __u8 *mac, const struct place *at, enum verdict where)
{
	struct fdb_key key = { .domain = domain, .vlan = vlan };
	struct domain *d = bpf_map_lookup_elem(&domains, &domain);
	struct fdb_entry *e, new = { .last_seen = now_ns() };
	struct place old;
	struct moved *m;
	__u32 *n;

	if (!mac || !at || !d)
		return 0;
	__builtin_memcpy(key.mac, mac, MAC_LEN);
	new.place = *at;
	if (where == GO_HOME) {
		m = bpf_map_lookup_elem(&moved, &key);
		if (m)
			new.place = m->home;
	}
	e = bpf_map_lookup_elem(&fdb, &key);
	if (e)
		old = e->place;
	if (!may_teach(d, &new.place)) {
		count_unlearned(new.place.member);
		return 0;
	}
	if (bpf_map_update_elem(&fdb, &key, &new, e ? BPF_EXIST : BPF_NOEXIST)) {
		/* full, or another CPU was faster: the next frame will tell */
		taught_one_less(&new.place);
		count_unlearned(new.place.member);
		return 0;
	}
	if (e) {
		taught_one_less(&old);
		n = bpf_map_lookup_elem(&moves, &domain);
		if (n)
			__sync_fetch_and_add(n, 1);
	}
	return 0;
}

/* Learn that mac, in this VLAN, is at a place (rule 2). */
static __noinline int learn(__u32 domain, __u32 vlan, const __u8 *mac, const struct place *at)
{
	enum verdict where;

	if (!is_elsewhere(domain, vlan, mac, at) || has_taught_all(domain, at))
		return 0;
	where = may_move(domain, vlan, mac, at);
	return where == STAY ? 0 : teach(domain, vlan, mac, at, where);
}

/* Where is mac? Returns its member's kind and fills place, or MEMBER_FREE if nobody knows. */
static __always_inline enum member_kind find(__u32 domain, const struct domain *d, __u32 vlan, const __u8 *mac,
					     struct place *at, struct member **member)
{
	struct fdb_key key = { .domain = domain, .vlan = vlan };
	struct fdb_entry *e;

	__builtin_memcpy(key.mac, mac, MAC_LEN);
	e = bpf_map_lookup_elem(&fdb, &key);
	if (!e || expired(e, d, now_ns()))
		return MEMBER_FREE;
	*at = e->place;
	*member = bpf_map_lookup_elem(&members, &at->member);
	/* An element of the FDB may be given to another key while it is read: the domain decides, always. */
	if (!*member || (*member)->domain != domain)
		return MEMBER_FREE;
	/* What is behind a port that is cut off may be reached by the other end of the loop. */
	if ((*member)->flags & MEMBER_LOOP)
		return MEMBER_FREE;
	return (*member)->kind;
}

#endif
