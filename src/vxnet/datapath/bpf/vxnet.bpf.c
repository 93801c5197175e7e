// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The VXLAN switch: three tc ingress programs, and two that the daemon runs to send frames of its own (loop.h, liveness.h).
 *
 *        VM                      this host                        the network
 *      +----+  veth, TAP ...  +---------------------------------+
 *      |    |---------------->| vxnet_access --- fast path ---> |----> underlay device ---> remote
 *      +----+       port      |      '-- slow path -> VXLAN dev |----'
 *                             |                                 |
 *      +----+                 |                                 |
 *      |    |<----------------| <--- fast path -- vxnet_underlay|<---- underlay device <--- remote
 *      +----+       port      |   <-- vxnet_overlay <- VXLAN dev|<---- (what vxnet_underlay declined)
 *                             +---------------------------------+
 *
 * The fast path may only decline, never decide differently. The rules are those of vxnet/switch/, which the tests hold
 * these programs to.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "access.h"
#include "liveness.h"
#include "loop.h"
#include "overlay.h"
#include "underlay.h"

SEC("tc")
int vxnet_access(struct __sk_buff *skb)
{
	int action = access_fast(skb);

	return action >= 0 ? action : access_slow(skb);
}

SEC("tc")
int vxnet_underlay(struct __sk_buff *skb)
{
	int action;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		action = underlay_fast(skb, 0);
		return action >= 0 ? action : underlay_slow(skb, 0);
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		action = underlay_fast(skb, 1);
		return action >= 0 ? action : underlay_slow(skb, 1);
	}
	return TC_ACT_UNSPEC;
}

SEC("tc")
int vxnet_overlay(struct __sk_buff *skb)
{
	return overlay_receive(skb);
}

/* Attached to no device: the daemon runs it (BPF_PROG_RUN) to send a frame that it has written. */
SEC("tc")
int vxnet_ask(struct __sk_buff *skb)
{
	return send_question(skb);
}

/* The same. */
SEC("tc")
int vxnet_say(struct __sk_buff *skb)
{
	return say(skb);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
