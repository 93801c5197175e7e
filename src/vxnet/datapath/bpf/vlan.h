/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains VLANs inside a bridge, or a segment that has them: which one a frame is in, and who else is.
 *
 *   frame from a member     | dst src [8100 tag] type ...       strip_tag: the tag comes off and is remembered
 *                               |
 *   1. vlan_in              which VLAN of the bridge: its own tag, or the member's; or not admitted
 *   2.   (learning and look-up are by VLAN: fdb.h)
 *   3. tag_out              for a member it goes to: not in the VLAN, or with which tag
 *   4. put_tag              the tag, with TPID and priority the frame came with
 *
 * A tag lies beside the frame (skb->vlan_tci) when a program sees it: the kernel has taken it out of the frame, of one
 * that came in a tunnel as well, and puts it back where it leaves.
 */
#ifndef VXNET_VLAN_H
#define VXNET_VLAN_H

#include "maps.h"
#include "parse.h"

#define VLAN_VID 0x0fff
#define VLAN_PRIORITY 0xf000	/* priority and drop eligibility (IEEE 802.1Q, 9.6) */
#define NOT_IN_VLAN (-1)

/* What a frame carries: its VLAN ID or 0, and the rest of the tag; an S-tag (88a8) is a tag like any other. */
struct tag {
	__be16 proto;
	__u16 vid;
	__u16 priority;
};

/* A frame inside a domain, its tag taken off. */
struct frame {
	__u32 from;		/* the member it came from */
	__u32 domain;
	__u32 vlan;
	__u32 bytes;		/* of the frame without the tag */
	struct tag tag;		/* what it came with */
	__u32 out;		/* the tag it has got since, of the last copy: see tag_out */
};

/*
 * Take the tag off, if there is one. A second one behind it then lies beside the frame in its place, and is not counted
 * in skb->len any more. Returns 0, or non-zero: no memory.
 */
static __always_inline int strip_tag(struct __sk_buff *skb, struct frame *f)
{
	f->bytes = skb->len;
	f->out = f->tag.vid = f->tag.priority = 0;
	f->tag.proto = bpf_htons(ETH_P_8021Q);
	if (!skb->vlan_present)
		return 0;
	f->tag.proto = skb->vlan_proto;
	f->tag.vid = skb->vlan_tci & VLAN_VID;
	f->tag.priority = skb->vlan_tci & VLAN_PRIORITY;
	return bpf_skb_vlan_pop(skb);
}

/* Let the frame carry a tag, of the kind that it came with; 0: none. Returns 0, or non-zero: no memory. */
static __always_inline int put_tag(struct __sk_buff *skb, struct frame *f, __u32 tag)
{
	if (f->out == tag)
		return 0;
	if (f->out && bpf_skb_vlan_pop(skb))
		return -1;
	f->out = tag;
	return tag ? bpf_skb_vlan_push(skb, f->tag.proto, tag & 0xffff) : 0;
}

/* The kernel does not count a tag that lies beside the frame. */
static __always_inline __u32 bytes_with(__u32 bytes, __u32 tag)
{
	return bytes + (tag ? VLAN_LEN : 0);
}

static __always_inline int is_in_trunk(__u32 member, const struct member *m, __u32 vlan)
{
	struct vlan_set *set;

	/* A member with a native VLAN is not in VLAN 0, as no frame can say so on its way out. */
	if (!(m->flags & MEMBER_SOME_VLANS))
		return m->vlan_mode == VLAN_TRUNK || vlan;
	set = bpf_map_lookup_elem(&trunks, &member);
	return set && set->word[(vlan & (VLANS - 1)) / 64] >> (vlan & 63) & 1;
}

/* The VLAN of a frame that came from this member with this VLAN ID (0: untagged), or NOT_IN_VLAN. */
static __always_inline int vlan_in(__u32 member, const struct member *m, __u32 vid)
{
	if (m->vlan_mode == VLAN_ACCESS)
		return vid ? NOT_IN_VLAN : m->tag;
	if (m->vlan_mode != VLAN_TRUNK && (!vid || vid == m->tag))
		return m->tag;
	return is_in_trunk(member, m, vid) ? (int)vid : NOT_IN_VLAN;
}

/* The VLAN ID (0: untagged) that a frame of this VLAN gets on its way out to this member, or NOT_IN_VLAN. */
static __always_inline int vlan_out(__u32 member, const struct member *m, __u32 vlan)
{
	if (m->vlan_mode == VLAN_ACCESS)
		return vlan == m->tag ? 0 : NOT_IN_VLAN;
	if (m->vlan_mode != VLAN_TRUNK && vlan == m->tag)
		return m->vlan_mode == VLAN_NATIVE_UNTAGGED ? 0 : (int)vlan;
	return is_in_trunk(member, m, vlan) ? (int)vlan : NOT_IN_VLAN;
}

#define HAS_TAG 0x10000

/*
 * The tag (HAS_TAG, priority, VLAN ID) that a frame gets on its way out to this member, 0 for none, or NOT_IN_VLAN. In a
 * trunk, VLAN 0 has a tag if there is a priority to be told.
 */
static __always_inline int tag_out(__u32 member, const struct member *m, const struct frame *f)
{
	int vid = vlan_out(member, m, f->vlan);

	if (vid == NOT_IN_VLAN || (!vid && (m->vlan_mode != VLAN_TRUNK || !f->tag.priority)))
		return vid;
	return HAS_TAG | f->tag.priority | vid;
}

#endif
