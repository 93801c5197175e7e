/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains loops (rule 13): somebody has joined two of our ports behind our back, so that what is flooded to one
 * comes in at the other, and is flooded again.
 *
 *   daemon                a port is where MACs move to and fro: it is asked, by a frame with a new nonce
 *   1. send_question      the frame goes out of that port, and of no other
 *            ...          a bridge, a cable, another host's port and a tunnel
 *   2. is_our_question    it came in again, wherever: noted, and not forwarded
 *   daemon                the port that it went out of is in a loop, and is cut off (MEMBER_LOOP): nothing from there, nothing
 *                         there. It is asked on, and takes part again when nothing has come back for a while
 *
 *   | 03:76:78:6e:65:74 | 02:76:78:6e:65:74 | 88b6 | 0000 | nonce | zeros |
 *
 * The nonce is the proof: who is behind the port can have it cut off, by sending the frame back, and nobody else can. A
 * question whose nonce is not ours is a frame like any other, which is how it crosses other hosts.
 */
#ifndef VXNET_LOOP_H
#define VXNET_LOOP_H

#include "counters.h"
#include "parse.h"

#define ETH_P_QUESTION 0x88b6		/* local experimental EtherType 2 (IEEE 802, 9.2) */

#define AT_NONCE 16			/* behind the Ethernet header and two bytes */

/* What is known of the question that a frame is, or 0: it is none of ours. */
static __always_inline struct question *question_of(struct __sk_buff *skb)
{
	struct question_key key;

	if (bpf_skb_load_bytes(skb, AT_NONCE, &key, sizeof(key)))
		return 0;
	return bpf_map_lookup_elem(&questions, &key);
}

static __noinline int send_question(struct __sk_buff *skb)
{
	struct question *q = question_of(skb);
	struct member *port = q ? bpf_map_lookup_elem(&members, &q->member) : 0;

	if (!port || port->kind != MEMBER_PORT)
		return TC_ACT_SHOT;
	return bpf_clone_redirect(skb, port->ifindex, 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* Is this frame, that came from `at`, one of our questions? Then it is noted that the port it went to is in a loop. */
static __noinline int is_our_question(struct __sk_buff *skb, __u32 domain, const struct place *at)
{
	struct member *port;
	struct question *q;

	if (!at)
		return 0;
	q = question_of(skb);
	port = q ? bpf_map_lookup_elem(&members, &q->member) : 0;
	if (!port || port->domain != domain)
		return 0;
	q->back = *at;
	return 1;
}

#endif
