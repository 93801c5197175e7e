/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* This file contains the flow cache: finding the slot of a flow, and whether what is in it still holds. */
#ifndef VXNET_FLOWS_H
#define VXNET_FLOWS_H

#include "maps.h"
#include "parse.h"

/*
 * A cached answer is trusted for a second. Then the FDB is asked again, which refreshes the entry's age and finds the
 * next hop anew; so ageing, routing and neighbours stay right even with no daemon, and at once (by epoch) with one.
 */
#define FLOW_TRUST 1000000000LL

static __always_inline __u32 flow_slot(__u64 a, __u64 b)
{
	return ((a * 0x9E3779B97F4A7C15ULL) ^ (b * 0xC2B2AE3D27D4EB4FULL)) >> 32 & (FLOW_SLOTS - 1);
}

static __always_inline struct tx_flow *tx_slot(const struct tx_flow_key *key)
{
	const __u64 *w = (const __u64 *)key;
	__u32 slot = flow_slot(w[0], w[1]);

	return bpf_map_lookup_elem(&tx_flows, &slot);
}

static __always_inline int same_tx_key(const struct tx_flow_key *a, const struct tx_flow_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1];
}

static __always_inline struct rx_flow *rx_slot(const struct rx_flow_key *key)
{
	const __u64 *w = (const __u64 *)key;
	__u32 slot = flow_slot(w[0] + w[1] + w[3] + w[5], w[2] + w[4] + w[6]);

	return bpf_map_lookup_elem(&rx_flows, &slot);
}

static __always_inline int same_rx_key(const struct rx_flow_key *a, const struct rx_flow_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;
	__u64 differ = 0;

#pragma unroll
	for (int i = 0; i < 7; i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

/* No change of the desired state or of the routes since (epoch), no MAC moved in the domain (moves), and not too old. */
static __always_inline int holds(__u32 epoch, __u32 flow_moves, __u32 domain, __u64 checked)
{
	__u32 zero = 0, *moved = bpf_map_lookup_elem(&moves, &domain);
	struct state *s = bpf_map_lookup_elem(&state, &zero);

	return moved && s && epoch == s->epoch && flow_moves == *moved &&
	       (__s64)(bpf_ktime_get_coarse_ns() - checked) <= FLOW_TRUST;
}

#endif
