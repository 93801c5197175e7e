/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains IPv6's extension headers: how to get past them (RFC 8200, section 4).
 *
 *   IPv6 | hop-by-hop options | routing | fragment | destination options | what they stand before
 *                                          `--> a later fragment has none of that
 */
#ifndef VXNET_EXTHDR_H
#define VXNET_EXTHDR_H

#include "parse.h"

#define EXTENSIONS_SEEN 4		/* more are not gone past */
#define V6_OFFSET bpf_htons(0xfff8)

enum beyond { REACHED = 0, CUT_OFF = 1, LATER_FRAGMENT = 2 };

static __always_inline int is_extension(__u8 header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING || header == IPPROTO_FRAGMENT ||
	       header == IPPROTO_DSTOPTS;
}

/*
 * From the header at `at`, which is of type `header`, to the first that is no extension, or to the fifth extension. The
 * packet ends at `end`: what is reached may begin there or later.
 */
static __always_inline enum beyond past_extensions(const struct __sk_buff *skb, __u8 *header, __u32 *at, __u32 end)
{
	for (int i = 0; i < EXTENSIONS_SEEN; i++) {
		struct {
			__u8 next;
			__u8 length;
			__be16 offset;
		} extension;

		if (!is_extension(*header))
			break;
		if (*at + sizeof(extension) > end || bpf_skb_load_bytes(skb, *at, &extension, sizeof(extension)))
			return CUT_OFF;
		if (*header == IPPROTO_FRAGMENT && extension.offset & V6_OFFSET)
			return LATER_FRAGMENT;
		*at += *header == IPPROTO_FRAGMENT ? 8 : (extension.length + 1) * 8;
		*header = extension.next;
	}
	return REACHED;
}

#endif
