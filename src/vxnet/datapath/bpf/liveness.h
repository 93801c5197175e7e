/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains BFD for VXLAN (RFC 8971): what is said in the management VNI, by the daemon and to it. It takes the
 * way that tenants' BUM takes, so that it is this way that is found alive or dead.
 *
 *   out   daemon --BPF_PROG_TEST_RUN--> vxnet_say --> VXLAN device --> wire
 *   in    wire --> vxnet_underlay --> VXLAN device --> vxnet_overlay (hear) --> ring buffer --> daemon
 */
#ifndef VXNET_LIVENESS_H
#define VXNET_LIVENESS_H

#include "counters.h"
#include "storm.h"
#include "tunnel.h"

#define WORDS 100	/* from one remote, a second: ten times what the daemon asks for, whom more would keep from its work */

/* Not inlined, so that the object knows the type of the record, which Python is held to (tests/bpf/test_layout.py). */
static __noinline int fill(struct heard *h, struct __sk_buff *skb)
{
	__u32 length = skb->len;

	if (length > sizeof(h->frame))
		length = sizeof(h->frame);
	h->length = length;
	return length < ETH_HLEN || bpf_skb_load_bytes(skb, 0, h->frame, length);
}

/* A frame of the management VNI, from whom may send there. It goes to the daemon, and never to a tenant. */
static __always_inline int hear(struct __sk_buff *skb, __u32 from, const struct address *remote)
{
	struct place at = { .member = from, .remote = *remote };
	__u64 *paid = bucket(&at);
	struct heard *h;

	if (paid && !admits(paid, WORDS)) {
		count_suppressed(from);
		return drop(DROP_STORM);
	}
	h = bpf_ringbuf_reserve(&heard, sizeof(*h), 0);
	if (!h)
		return drop(DROP_NO_DESTINATION);	/* the daemon does not listen */
	h->remote = *remote;
	if (fill(h, skb)) {
		bpf_ringbuf_discard(h, 0);
		return drop(DROP_TRUNCATED);
	}
	bpf_ringbuf_submit(h, 0);
	count_rx(from, skb->len);
	return TC_ACT_SHOT;
}

/* cb: the remote's address, and the member of the management VNI. Returns 0 if the frame was handed to the device. */
static __always_inline int say(struct __sk_buff *skb)
{
	struct address remote = { .word = { skb->cb[0], skb->cb[1], skb->cb[2], skb->cb[3] } };
	__u32 slot = skb->cb[4], bytes = skb->len;
	struct member *m = bpf_map_lookup_elem(&members, &slot);
	struct vtep *v;

	if (!m || m->kind != MEMBER_BFD)
		return -1;
	v = bpf_map_lookup_elem(&vteps, &m->dstport);
	if (!v || set_tunnel(skb, v, m, &remote) || bpf_clone_redirect(skb, v->overlay, 0) < 0)
		return -1;
	count_tx(slot, bytes);
	return 0;
}

#endif
