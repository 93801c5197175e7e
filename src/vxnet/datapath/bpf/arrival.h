/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains whom a packet from the underlay is for and from: which addresses are ours, which nobody's, which
 * tunnel it came through, and whether that one takes packets from its sender.
 */
#ifndef VXNET_ARRIVAL_H
#define VXNET_ARRIVAL_H

#include "maps.h"
#include "parse.h"

/*
 * The tunnel (member) a packet came through, or 0. The one that asks for this VNI comes before one that takes any, then the
 * one that names the remote, then the one that names our address.
 */
static __noinline __u32 arrival(const struct arrival_key *packet)
{
	struct arrival_key key;
	__u32 *slot;

	if (!packet)
		return 0;
	for (int i = 0; i < 8; i++) {
		key = *packet;
		if (i & 4)
			key.vni = ANY_VNI;
		if (i & 2)
			__builtin_memset(&key.remote, 0, sizeof(key.remote));
		if (i & 1)
			__builtin_memset(&key.local, 0, sizeof(key.local));
		slot = bpf_map_lookup_elem(&arrivals, &key);
		if (slot)
			return *slot;
	}
	return 0;
}

/* May this address send to the tunnel? */
static __noinline int may_send(__u32 tunnel, const struct address *from)
{
	struct sender_key key = { .prefix = PREFIX_SENDER + 128 };
	struct member *m = bpf_map_lookup_elem(&members, &tunnel);

	if (!from || !m)
		return 0;
	key.list = m->senders;	/* once: it may be another one in a moment */
	if (key.list == SENDERS_ANYBODY)
		return 1;
	key.family = is_ipv6(from) ? 6 : 4;
	key.address = *from;
	return bpf_map_lookup_elem(&senders, &key) != 0;
}

/* Do we receive at this address, besides the VTEP's own: a group, or, where the VTEP has none, any of this host's? */
static __always_inline int listening(const struct vtep *v, struct address local)
{
	struct arrival_key key = { .vni = LISTENING, .dstport = v->dstport, .local = local };

	return bpf_map_lookup_elem(&arrivals, &key) != 0;
}

/* A source the kernel would not take from the wire either: none, 127/8, a group, the broadcast address; or their like. */
static __always_inline int is_martian(const struct address *a)
{
	__u8 first = bpf_ntohl(a->word[3]) >> 24;

	if (is_ipv6(a))
		return (bpf_ntohl(a->word[0]) >> 24) == 0xff ||
		       (!(a->word[0] | a->word[1] | a->word[2]) && !(a->word[3] & ~bpf_htonl(1)));
	return !a->word[3] || first == 127 || (first & 0xf0) == 0xe0 || a->word[3] == 0xffffffff;
}

/*
 * IPv6 sources that no other host has, and that the kernel takes from the wire: none (::), IPv4 addresses in their mapped
 * form, which here would be taken for those of IPv4, and (underlay_slow) our own.
 */
static __always_inline int is_nobody(const struct address *a)
{
	return !is_ipv6(a) || is_unset(a);
}

/* A group's address. */
static __always_inline int is_multicast(const struct address *a)
{
	return is_ipv6(a) ? (bpf_ntohl(a->word[0]) >> 24) == 0xff : (bpf_ntohl(a->word[3]) >> 28) == 0xe;
}

#endif
