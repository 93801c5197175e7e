/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* This file contains the outer checksums of a received packet, as far as they are verified here and not by the kernel. */
#ifndef VXNET_CHECKSUM_H
#define VXNET_CHECKSUM_H

#include "parse.h"
#include "tunnel.h"

/*
 * Up to here (CHECKSUM_BREAK of linux/skbuff.h) the kernel verifies a UDP checksum before it looks for the socket, and
 * counts a wrong one for all sockets together. A longer datagram it counts at the VXLAN device's socket, where
 * vxnet/datapath/dropped.py reads it.
 */
#define SHORT_DATAGRAM 76
#define SHORT_AT_IP (sizeof(struct udphdr) + 8 + ETH_HLEN)	/* the tenant's packet in it: UDP, VXLAN, Ethernet */

static __always_inline int ip_header_sound(const void *ip)
{
	const __u32 *word = ip;
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];

	sum = (sum & 0xffffffff) + (sum >> 32);
	return !fold((__u32)sum + (__u32)(sum >> 32));
}

/*
 * Has the tenant left its TCP or UDP checksum to a device, of which there was none yet? Then the field holds the sum of the
 * pseudo header, and the outer checksum was computed as if it had been finished (local checksum offload): it is right when
 * it is. Such a packet is from this machine, or from a VM's device; the kernel knows. udp: the outer datagram, which lies at
 * `at`, and is too short for any but IPv4 inside.
 */
static __always_inline int inner_unfinished(struct __sk_buff *skb, __u32 at, const void *udp)
{
	__be16 type, field = 0;
	struct iphdr ip;
	__u32 sum;

	__builtin_memcpy(&type, udp + SHORT_AT_IP - 2, sizeof(type));
	__builtin_memcpy(&ip, udp + SHORT_AT_IP, sizeof(ip));
	if (type != bpf_htons(ETH_P_IP) || (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP))
		return 0;
	at += SHORT_AT_IP + ip.ihl * 4;
	if (bpf_skb_load_bytes(skb, at + (ip.protocol == IPPROTO_TCP ? 16 : 6), &field, sizeof(field)))
		return 0;
	sum = (ip.saddr & 0xffff) + (ip.saddr >> 16) + (ip.daddr & 0xffff) + (ip.daddr >> 16) +
	      bpf_htons(ip.protocol) + bpf_htons(bpf_ntohs(ip.tot_len) - ip.ihl * 4);
	return field == (__u16)~fold(sum);
}

/*
 * A short datagram whose checksum is there and wrong. at: where the datagram is, behind both addresses; length: of it. The
 * pseudo headers are those of RFC 768 and RFC 8200, section 8.1: both sum the same words.
 */
static __noinline int short_and_wrong(struct __sk_buff *skb, __u32 at, __u32 length)
{
	struct {
		struct address saddr, daddr;	/* of IPv4 both are in the first 8 bytes */
		__be32 length, protocol;
	} pseudo = { .protocol = bpf_htonl(IPPROTO_UDP), .length = bpf_htonl(length) };
	__u32 words[SHORT_DATAGRAM / 4] = {}, sum;
	const struct udphdr *udp = (const void *)words;

	if (length < sizeof(*udp))
		return 0;
	barrier_var(length);	/* two comparisons stay two: of one, the verifier of Linux 6.1 learns no bounds */
	if (length > SHORT_DATAGRAM || bpf_skb_load_bytes(skb, at, words, length) ||
	    (skb->protocol == bpf_htons(ETH_P_IP) ? bpf_skb_load_bytes(skb, at - 8, &pseudo, 8)
						  : bpf_skb_load_bytes(skb, at - 32, &pseudo, 32)) ||
	    !udp->check)
		return 0;
	if (bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0)
		return 0;	/* the device has verified it */
	sum = bpf_csum_diff(0, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	if (udp->check == (__u16)~fold(sum))
		return 0;	/* from this machine: a device, had there been one, would have finished it */
	return fold(bpf_csum_diff(0, 0, words, sizeof(words), sum)) && !inner_unfinished(skb, at, words);
}

#endif
