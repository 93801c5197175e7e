/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains port security (rule 8): whether a frame may leave a port that has sources.
 *
 *   frame, its tag taken off
 *     |  1. its source MAC is that of a source                              else refused
 *     |  2. ARP    for IPv4 over Ethernet, its sender MAC the frame's;      sender 0.0.0.0 (a probe), or allowed
 *     |  3. IPv4   the header is there and sound;                           source allowed, or 0.0.0.0 asking for DHCP
 *     |  4. IPv6   the header is there;                                     source allowed, or :: in ICMPv6;
 *     |                                                                     the target of an advertisement allowed, which
 *     |                                                                     may stand behind extension headers
 *     v  anything else
 *   it may
 *
 * The flow cache knows MACs alone, so it also holds the sources that were found to be allowed:
 *
 *   note_sources    behind the check, when a flow is opened
 *   same_source     on the fast path: without a look-up, the same source as then; any other is declined
 *
 * Elsewhere headers are copied out of the frame, which may lie in fragments of memory.
 */
#ifndef VXNET_SECURE_H
#define VXNET_SECURE_H

#include "exthdr.h"
#include "maps.h"
#include "parse.h"

#define PORT_DHCP_SERVER bpf_htons(67)
#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136
#define ND_LEN 24			/* both, up to their options: RFC 4861, sections 4.3 and 4.4 */
#define ND_TARGET 8			/* where their target stands */

#define SOURCE_KEY_BITS (8 * (sizeof(struct source_key) - sizeof(__u32)))

/* ARP for IPv4 over Ethernet, behind its Ethernet header (RFC 826). */
struct arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 operation;
	__u8 sender_mac[MAC_LEN];
	__u8 sender[4];
	__u8 target_mac[MAC_LEN];
	__u8 target[4];
};

static __always_inline int is_arp_for_ipv4(const struct arp *arp)
{
	return arp->hardware == bpf_htons(1) && arp->protocol == bpf_htons(ETH_P_IP) &&
	       arp->hardware_len == MAC_LEN && arp->protocol_len == 4;
}

static __always_inline __be32 ipv4_of(const __u8 *at)
{
	__be32 ipv4;

	__builtin_memcpy(&ipv4, at, sizeof(ipv4));
	return ipv4;
}

static __always_inline int is_unspecified(const struct address *a)
{
	return !(a->word[0] | a->word[1] | a->word[2] | a->word[3]);
}

/* SOURCE_ANY: the address may be used; SOURCE_MAC: only its MAC may; 0: neither. */
static __always_inline __u32 source_verdict(struct source_key *key)
{
	__u32 *verdict = bpf_map_lookup_elem(&sources, key);

	return verdict ? *verdict : 0;
}

static __always_inline __u32 address_verdict(struct source_key *key, __be16 type, struct address address)
{
	key->prefix = SOURCE_KEY_BITS;
	key->type = type;
	key->address = address;
	return source_verdict(key);
}

static __always_inline int arp_may(const struct __sk_buff *skb, struct source_key *key)
{
	struct arp arp;
	__u32 verdict;
	__be32 sender;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)) || !is_arp_for_ipv4(&arp) ||
	    !same_mac(arp.sender_mac, key->mac))
		return 0;
	sender = ipv4_of(arp.sender);
	verdict = address_verdict(key, bpf_htons(ETH_P_IP), mapped(sender));
	return verdict == SOURCE_ANY || (verdict == SOURCE_MAC && !sender);
}

static __always_inline int asks_for_dhcp(const struct __sk_buff *skb, const struct iphdr *ip, __u32 header_length)
{
	struct udphdr udp;

	return ip->protocol == IPPROTO_UDP && !(ip->frag_off & IP_FRAGMENT) &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + header_length, &udp, sizeof(udp)) && udp.dest == PORT_DHCP_SERVER;
}

static __always_inline int ipv4_may(const struct __sk_buff *skb, struct source_key *key)
{
	__u32 words[V4_WORDS], verdict, header_length;
	const struct iphdr *ip = (const void *)words;
	__u8 first;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, words, sizeof(words)))
		return 0;
	first = *(const __u8 *)words;
	header_length = (first & 0xf) * 4;
	if (first >> 4 != 4 || header_length < sizeof(*ip))
		return 0;
	verdict = address_verdict(key, bpf_htons(ETH_P_IP), mapped(ip->saddr));
	return verdict == SOURCE_ANY || (verdict == SOURCE_MAC && !ip->saddr && asks_for_dhcp(skb, ip, header_length));
}

/* ICMPv6 alone, or behind hop-by-hop options, as MLD's messages are (RFC 3810, section 5). */
static __always_inline int is_icmpv6(const struct __sk_buff *skb, __u8 next_header)
{
	__u8 after = 0;

	if (next_header == IPPROTO_HOPOPTS)
		return !bpf_skb_load_bytes(skb, ETH_HLEN + V6_WORDS * 4, &after, 1) && after == IPPROTO_ICMPV6;
	return next_header == IPPROTO_ICMPV6;
}

/*
 * Is the target allowed, if it is an advertisement? Extension headers may stand before that. What they hide, because
 * there are more than are gone past, or the packet ends first, is not let out (RFC 7113, RFC 7112).
 */
static __always_inline int target_may(const struct __sk_buff *skb, struct source_key *key, __u8 next_header)
{
	__u32 at = ETH_HLEN + V6_WORDS * 4;
	__u8 header = next_header, type = 0;
	struct address target;

	switch (past_extensions(skb, &header, &at, skb->len)) {
	case CUT_OFF:
		return 0;
	case LATER_FRAGMENT:
		return 1;
	case REACHED:
		break;
	}
	if (header != IPPROTO_ICMPV6)
		return !is_extension(header);
	if (bpf_skb_load_bytes(skb, at, &type, 1))
		return next_header == IPPROTO_ICMPV6;
	return type != ND_ADVERTISEMENT || (!bpf_skb_load_bytes(skb, at + ND_TARGET, &target, sizeof(target)) &&
					    address_verdict(key, bpf_htons(ETH_P_IPV6), target) == SOURCE_ANY);
}

static __always_inline int ipv6_may(const struct __sk_buff *skb, struct source_key *key)
{
	__u32 words[V6_WORDS], verdict;
	__u8 next_header;
	struct address source;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, words, sizeof(words)) || *(const __u8 *)words >> 4 != 6)
		return 0;
	next_header = ((const __u8 *)words)[AT_IPV6_NEXT_HEADER];
	__builtin_memcpy(&source, words + 2, sizeof(source));
	verdict = address_verdict(key, bpf_htons(ETH_P_IPV6), source);
	if (verdict != SOURCE_ANY && !(verdict == SOURCE_MAC && is_unspecified(&source) && is_icmpv6(skb, next_header)))
		return 0;
	return target_may(skb, key, next_header);
}

/* Not inlined: it needs the stack for itself. */
static __noinline int may_leave(struct __sk_buff *skb, __u32 member, const __u8 *mac)
{
	struct source_key key = { .prefix = PREFIX_MAC, .member = member };

	if (!mac)
		return 0;
	__builtin_memcpy(key.mac, mac, MAC_LEN);
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return arp_may(skb, &key);
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return ipv4_may(skb, &key);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return ipv6_may(skb, &key);
	return source_verdict(&key) != 0;
}

/*
 * Write the source of this frame, which was allowed to leave, into its flow. Zero is no source: who has none was let out
 * for what the frame is, and that is asked of each one. anew: the other family's was found before something changed.
 */
static __always_inline void note_sources(const struct __sk_buff *skb, struct tx_flow *flow, int anew)
{
	if (anew) {
		flow->ipv4 = 0;
		__builtin_memset(&flow->ipv6, 0, sizeof(flow->ipv6));
	}
	if (skb->protocol == bpf_htons(ETH_P_IP))
		bpf_skb_load_bytes(skb, ETH_HLEN + 12, &flow->ipv4, sizeof(flow->ipv4));
	else
		bpf_skb_load_bytes(skb, ETH_HLEN + 8, &flow->ipv6, sizeof(flow->ipv6));
}

static __always_inline int ipv4_from(const __u32 *ip, __be32 source)
{
	__u8 first = *(const __u8 *)ip;

	return first >> 4 == 4 && (first & 0xf) >= V4_WORDS && ip[3] && ip[3] == source;
}

/* It is an advertisement, or may be: which is asked of each one. */
static __always_inline int may_advertise(const struct __sk_buff *skb, __u8 next_header)
{
	__u8 type = 0;

	if (next_header != IPPROTO_ICMPV6)
		return is_extension(next_header);
	return !bpf_skb_load_bytes(skb, ETH_HLEN + V6_WORDS * 4, &type, 1) && type == ND_ADVERTISEMENT;
}

static __always_inline int ipv6_from(const struct __sk_buff *skb, const __u32 *ip, const struct address *source)
{
	return *(const __u8 *)ip >> 4 == 6 && (ip[2] | ip[3] | ip[4] | ip[5]) && ip[2] == source->word[0] &&
	       ip[3] == source->word[1] && ip[4] == source->word[2] && ip[5] == source->word[3] &&
	       !may_advertise(skb, ((const __u8 *)ip)[AT_IPV6_NEXT_HEADER]);
}

/*
 * Is this an IP packet with a sound header, surely no advertisement, from the source that its flow was opened for? Read in its
 * place where that can be: this is the fast path.
 */
static __always_inline int same_source(const struct __sk_buff *skb, const struct tx_flow *flow)
{
	const void *ip = (void *)(long)skb->data + ETH_HLEN, *end = (void *)(long)skb->data_end;
	__u32 copy[V6_WORDS];

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (ip + V4_WORDS * 4 <= end)
			return ipv4_from(ip, flow->ipv4);
		return !bpf_skb_load_bytes(skb, ETH_HLEN, copy, V4_WORDS * 4) && ipv4_from(copy, flow->ipv4);
	}
	if (ip + V6_WORDS * 4 <= end)
		return ipv6_from(skb, ip, &flow->ipv6);
	return !bpf_skb_load_bytes(skb, ETH_HLEN, copy, sizeof(copy)) && ipv6_from(skb, copy, &flow->ipv6);
}

#endif
