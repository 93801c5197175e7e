/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* This file contains the counting: traffic per member, drops per reason. Both are per CPU: no atomics, no bouncing. */
#ifndef VXNET_COUNTERS_H
#define VXNET_COUNTERS_H

#include <linux/pkt_cls.h>

#include "maps.h"

enum drop_reason {
#define DROP(number, c_name, name, text) DROP_##c_name = number,
#include "drop_reasons.h"
#undef DROP
};

static __always_inline void count_rx(__u32 member, __u32 bytes)
{
	struct traffic *t = bpf_map_lookup_elem(&traffic, &member);

	if (t) {
		t->rx_packets++;
		t->rx_bytes += bytes;
	}
}

static __always_inline void count_tx(__u32 member, __u32 bytes)
{
	struct traffic *t = bpf_map_lookup_elem(&traffic, &member);

	if (t) {
		t->tx_packets++;
		t->tx_bytes += bytes;
	}
}

static __always_inline void count_unlearned(__u32 member)
{
	struct traffic *t = bpf_map_lookup_elem(&traffic, &member);

	if (t)
		t->unlearned++;
}

static __always_inline void count_suppressed(__u32 member)
{
	struct traffic *t = bpf_map_lookup_elem(&traffic, &member);

	if (t)
		t->suppressed++;
}

static __always_inline void count_drop(enum drop_reason reason)
{
	__u32 key = reason;
	__u64 *n = bpf_map_lookup_elem(&drops, &key);

	if (n)
		(*n)++;
}

/* The end of a frame that is not forwarded: counted under exactly one reason. */
static __always_inline int drop(enum drop_reason reason)
{
	count_drop(reason);
	return TC_ACT_SHOT;
}

#endif
