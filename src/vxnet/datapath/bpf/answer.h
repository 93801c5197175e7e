/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains local answers (rule 9): who asks for the MAC of a known address is told it here, by a frame made of
 * the question in its place, and the question is not flooded.
 *
 *   frame from a port of a segment, to a group MAC
 *     |  ARP request (RFC 826)                  neighbour solicitation (RFC 4861, section 4.3)
 *     |  sender not 0.0.0.0 (a probe)           source not :: (duplicate address detection)
 *     |  sender not the target (an announcement), its MAC the frame's, and not the answer
 *     v                                         v
 *   ARP reply                                 advertisement: solicited, override
 *
 * Everything else is flooded as ever.
 */
#ifndef VXNET_ANSWER_H
#define VXNET_ANSWER_H

#include "secure.h"
#include "tunnel.h"

#define ARP_REQUEST bpf_htons(1)
#define ARP_REPLY bpf_htons(2)
#define ND_HOP_LIMIT 255		/* RFC 4861, section 7.1: no router has passed it on */
#define ND_SOLICITED_OVERRIDE bpf_htonl(0x60000000)
#define ND_TARGET_MAC 2			/* the option, of length 1 (8 bytes): RFC 4861, section 4.6.1 */

/* An ARP frame; the two bytes in front put what follows in its place. */
struct arp_frame {
	__u16 unused;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
	__be16 type;
	struct arp arp;
};

/* A solicitation or an advertisement, likewise. */
struct nd_frame {
	__u16 unused;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
	__be16 type;
	__u8 version;
	__u8 class_flow[3];
	__be16 length;
	__u8 next_header;
	__u8 hop_limit;
	struct address from;		/* from here on all counts for the checksum */
	struct address to;
	__u8 icmp_type;
	__u8 code;
	__be16 checksum;
	__be32 flags;
	struct address target;
	__u8 option;			/* behind the ND_LEN bytes that a solicitation must have */
	__u8 option_length;
	__u8 mac[MAC_LEN];
};

#define ARP_FRAME_LEN (sizeof(struct arp_frame) - sizeof(__u16))
#define ND_FRAME_LEN (sizeof(struct nd_frame) - sizeof(__u16))
#define SOLICITATION_LEN (ND_FRAME_LEN - 8)
#define ND_SUMMED (ND_FRAME_LEN - ETH_HLEN - 8)	/* both addresses and the message */

/* The MAC of an address in a domain, if it is known and not the asker's own. */
static __always_inline const struct neighbour *neighbour(__u32 domain, const struct address *address, const __u8 *asker)
{
	struct neighbour_key key = { .domain = domain, .address = *address };
	const struct neighbour *known = bpf_map_lookup_elem(&neighbours, &key);

	return known && !same_mac(known->mac, asker) ? known : 0;
}

/* Put the answer in the place of the question. Returns its length, 0 to flood the question after all, or -1: no memory. */
static __always_inline int replace(struct __sk_buff *skb, const void *frame, __u32 length)
{
	if (bpf_skb_change_tail(skb, length, 0))
		return 0;
	return bpf_skb_store_bytes(skb, 0, frame, length, BPF_F_RECOMPUTE_CSUM) ? -1 : (int)length;
}

static __noinline int answer_arp(struct __sk_buff *skb, __u32 domain)
{
	const struct neighbour *known;
	struct address target;
	struct arp_frame f = {};
	struct arp *arp = &f.arp;
	__u8 asked[4];

	if (bpf_skb_load_bytes(skb, 0, f.dst, ARP_FRAME_LEN) || !is_arp_for_ipv4(arp) || arp->operation != ARP_REQUEST)
		return 0;
	if (!ipv4_of(arp->sender) || ipv4_of(arp->sender) == ipv4_of(arp->target) || !same_mac(arp->sender_mac, f.src))
		return 0;
	target = mapped(ipv4_of(arp->target));
	known = neighbour(domain, &target, f.src);
	if (!known)
		return 0;
	__builtin_memcpy(asked, arp->target, sizeof(asked));
	__builtin_memcpy(arp->target, arp->sender, sizeof(asked));
	__builtin_memcpy(arp->target_mac, f.src, MAC_LEN);
	__builtin_memcpy(arp->sender, asked, sizeof(asked));
	__builtin_memcpy(arp->sender_mac, known->mac, MAC_LEN);
	arp->operation = ARP_REPLY;
	__builtin_memcpy(f.dst, f.src, MAC_LEN);
	__builtin_memcpy(f.src, known->mac, MAC_LEN);
	return replace(skb, f.dst, ARP_FRAME_LEN);
}

/* The question is to be as a solicitation must be: all but its checksum and its options, which nothing here relies on. */
static __always_inline int is_question(const struct __sk_buff *skb, const struct nd_frame *f)
{
	__u32 length = bpf_ntohs(f->length);

	return f->version >> 4 == 6 && f->next_header == IPPROTO_ICMPV6 && f->hop_limit == ND_HOP_LIMIT &&
	       f->icmp_type == ND_SOLICITATION && !f->code && length >= ND_LEN &&
	       ETH_HLEN + V6_WORDS * 4 + length <= skb->len && *(const __u8 *)&f->to == 0xff &&
	       *(const __u8 *)&f->from != 0xff && !is_unspecified(&f->from) && !same_address(&f->from, &f->target);
}

/* An IPv4 address, as the map has it, is none of IPv6's. */
static __always_inline int is_mapped(const struct address *a)
{
	return !a->word[0] && !a->word[1] && a->word[2] == bpf_htonl(0xffff);
}

static __noinline int answer_solicitation(struct __sk_buff *skb, __u32 domain)
{
	const struct neighbour *known;
	struct nd_frame f = {};

	if (bpf_skb_load_bytes(skb, 0, f.dst, SOLICITATION_LEN) || !is_question(skb, &f) || is_mapped(&f.target))
		return 0;
	known = neighbour(domain, &f.target, f.src);
	if (!known)
		return 0;
	__builtin_memcpy(f.dst, f.src, MAC_LEN);
	__builtin_memcpy(f.src, known->mac, MAC_LEN);
	f.version = 0x60;
	__builtin_memset(f.class_flow, 0, sizeof(f.class_flow));
	f.length = bpf_htons(ND_LEN + 8);
	f.to = f.from;
	f.from = f.target;
	f.icmp_type = ND_ADVERTISEMENT;
	f.flags = ND_SOLICITED_OVERRIDE;
	f.option = ND_TARGET_MAC;
	f.option_length = 1;
	__builtin_memcpy(f.mac, known->mac, MAC_LEN);
	/* The pseudo-header is the addresses, and these two numbers (RFC 8200, section 8.1). */
	f.checksum = 0;
	f.checksum = fold(bpf_csum_diff(0, 0, f.from.word, ND_SUMMED, bpf_htonl(ND_LEN + 8 + IPPROTO_ICMPV6)));
	return replace(skb, f.dst, ND_FRAME_LEN);
}

/* Returns the length of the answer that the frame has become, 0 if there is none, or -1: no memory. */
static __always_inline int answer(struct __sk_buff *skb, __u32 domain)
{
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return answer_arp(skb, domain);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return answer_solicitation(skb, domain);
	return 0;
}

#endif
