/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains what a frame has to pass before it is switched, from a port and from a tunnel alike:
 *
 *   1. admit    in a segment a source that can be one, in a bridge a VLAN that the member is in, not meant for the link alone
 *   2. learn    where the source is (rule 2)
 *   3. lookup   where the destination is (rule 3): the kind of member, or MEMBER_FREE: flood it (rule 4)
 */
#ifndef VXNET_ADMIT_H
#define VXNET_ADMIT_H

#include "fdb.h"
#include "vlan.h"

/* Both MACs, copied out: they are needed after the frame may have moved. */
struct macs {
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
};

/* Returns 0, or non-zero if the frame has no Ethernet header. */
static __always_inline int read_macs(const struct __sk_buff *skb, struct macs *macs)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + ETH_HLEN > end)
		return -1;
	__builtin_memcpy(macs, data, sizeof(*macs));
	return 0;
}

/*
 * Returns 0, or the reason to drop the frame. In a segment without VLANs, a frame from a port has one tag taken off and
 * forgotten. A bridge forwards frames with any source, as Open vSwitch does.
 */
static __always_inline int admit(struct __sk_buff *skb, struct frame *f, const struct member *m, const struct domain *d,
				 const struct macs *macs)
{
	int in_bridge = d->flags & DOMAIN_BRIDGE, has_vlans = d->flags & DOMAIN_VLANS, vlan;

	f->bytes = skb->len;
	if (!in_bridge && (is_group(macs->src) || is_zero(macs->src)))
		return DROP_BAD_SOURCE;
	if ((has_vlans || m->kind == MEMBER_PORT) && strip_tag(skb, f))
		return DROP_SEND_FAILED;
	if (!has_vlans) {
		f->tag.vid = f->tag.priority = 0;
		return is_tagged(skb) ? DROP_VLAN_TAG : 0;
	}
	vlan = vlan_in(f->from, m, f->tag.vid);
	if (vlan == NOT_IN_VLAN)
		return DROP_VLAN_FILTERED;
	if (in_bridge && is_link_local(macs->dst) && !(d->flags & DOMAIN_BPDU))
		return DROP_LINK_LOCAL;
	f->vlan = vlan;
	return 0;
}

static __always_inline enum member_kind lookup(const struct frame *f, const struct domain *d, const struct macs *macs,
					       struct place *at, struct member **member)
{
	return is_group(macs->dst) ? MEMBER_FREE : find(f->domain, d, f->vlan, macs->dst, at, member);
}

#endif
