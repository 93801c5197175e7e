/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains path MTU discovery for tenants (rule 10): who sends a packet that is too large for the path to its
 * remote is told, by an ICMP error made of the packet in its place. A switch has no address: the error comes from the
 * packet's destination, as a router right before it would send it.
 *
 *   known unicast from a port, larger than what fits
 *     |  IPv4 (RFC 1191)                              IPv6 (RFC 8201)
 *     |  header sound, DF, not a later fragment       not a later fragment
 *     |  no ICMP error (RFC 1122, section 3.2.2)      no ICMPv6 error or redirect (RFC 4443, section 2.4)
 *     |                from and to one machine each; the port is told no more than TELL_EACH allows
 *     v                                               v
 *   destination unreachable, fragmentation needed   packet too big; not for less than 1280, which no IPv6 link has
 *
 * Everything else is only dropped. Either way it counts as `too-big`.
 *
 *   the packet    | MACs | packet, begins with the quote ...   GSO or not, in fragments of memory or not
 *   1. tail       | MACs | quote | room ... | 00 00 00 ... |   linear, no GSO any more
 *   2. copy       | MACs | quote | room     | quote        |
 *   3. front              | MACs | room     | quote        |   what is taken off takes the offloaded checksum along
 *   4. headers            | MACs | IP, ICMP | quote        |
 */
#ifndef VXNET_TOOBIG_H
#define VXNET_TOOBIG_H

#include "counters.h"
#include "exthdr.h"
#include "secure.h"
#include "tunnel.h"

#define V4_ERROR_LEN 28			/* IP and ICMP headers */
#define V6_ERROR_LEN 48
#define V4_QUOTE 544			/* whole chunks of at most 576 bytes in all (RFC 1812, section 4.3.2.3) */
#define V6_QUOTE 1232			/* 1280 bytes in all (RFC 4443, section 3.2) */
#define V4_LEAST 80			/* a packet of which a quote has every header, and 8 bytes behind it */
#define V4_LEAST_MTU 68			/* RFC 791, section 3.2 */
#define V6_LEAST_MTU 1280		/* RFC 8200, section 5 */
#define V4_MAX_WORDS 15			/* of a header with options */
#define CHUNK 16			/* bytes copied at once */

#define ERROR_TTL 64
#define INTERNETWORK_CONTROL 0xc0	/* RFC 1812, section 4.3.2.5 */
#define UNREACHABLE_FRAGMENTATION_NEEDED bpf_htons(0x0304)	/* type and code: RFC 792 */
#define PACKET_TOO_BIG bpf_htons(0x0200)			/* RFC 4443, section 3.2 */
#define ICMPV6_INFORMATION 128		/* below are the errors */
#define ICMPV6_REDIRECT 137
#define IP_OFFSET bpf_htons(0x1fff)

/*
 * Errors have to be limited (RFC 4443, section 2.4; RFC 1812, section 4.3.2.8): a port is told a hundred times at once,
 * and a thousand times a second, by each CPU.
 */
#define TELL_EACH 1000000LL
#define TELL_BURST (100 * TELL_EACH)

/* The headers of an error; the two bytes in front put what follows in its place. */
struct v4_error {
	__u16 unused;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
	__be16 type;
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 ip_checksum;
	__be32 saddr;
	__be32 daddr;
	__be16 what;			/* ICMP type and code, and what else counts for the checksum */
	__be16 checksum;
	__be16 unused2;
	__be16 mtu;
};

struct v6_error {
	__u16 unused;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
	__be16 type;
	__be32 version_class_flow;
	__be16 length;
	__u8 next_header;
	__u8 hop_limit;
	struct address from;		/* from here on all counts for the checksum */
	struct address to;
	__be16 what;
	__be16 checksum;
	__be32 mtu;
};

#define V6_SUMMED (2 * sizeof(struct address) + 8)

/* A token bucket, kept as the time when it will be full again. */
static __always_inline int may_tell(__u32 member)
{
	struct traffic *t = bpf_map_lookup_elem(&traffic, &member);
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!t || (__s64)(t->told - now) > TELL_BURST)
		return 0;
	t->told = ((__s64)(t->told - now) > 0 ? t->told : now) + TELL_EACH;
	return 1;
}

/* The length of an IP packet whose header says `said`; for a GSO packet, where that may be anything, of all of it. */
static __always_inline __u32 ip_length(const struct __sk_buff *skb, __u32 said)
{
	return skb->gso_size ? skb->len - ETH_HLEN : said;
}

struct copy_run {
	struct __sk_buff *skb;
	__u32 to;		/* where the first chunk goes */
	__u32 failed;
	__s64 sum;
};

static long copy_chunk(__u32 index, void *arg)
{
	struct copy_run *run = arg;
	__u32 at = index * CHUNK, chunk[CHUNK / 4];

	if (bpf_skb_load_bytes(run->skb, ETH_HLEN + at, chunk, sizeof(chunk)) ||
	    bpf_skb_store_bytes(run->skb, run->to + at, chunk, sizeof(chunk), BPF_F_RECOMPUTE_CSUM)) {
		run->failed = 1;
		return 1;
	}
	run->sum = bpf_csum_diff(0, 0, chunk, sizeof(chunk), run->sum);
	return 0;
}

/*
 * Make room for headers behind the MACs, and what the packet begins with into what is behind them; see the drawing. Adds
 * the quote, of whole chunks, to sum. Returns 0, or non-zero with the packet as it was or spoilt.
 */
static __always_inline int quote(struct __sk_buff *skb, __u32 headers, __u32 quoted, __s64 *sum)
{
	struct copy_run run = { .skb = skb, .to = ETH_HLEN + quoted + headers, .sum = *sum };

	if (bpf_skb_change_tail(skb, run.to + quoted, 0))
		return -1;
	bpf_loop(quoted / CHUNK, copy_chunk, &run, 0);
	*sum = run.sum;
	return run.failed || bpf_skb_adjust_room(skb, -(__s32)quoted, BPF_ADJ_ROOM_MAC, 0);
}

static __always_inline int write_headers(struct __sk_buff *skb, const void *headers, __u32 length)
{
	return bpf_skb_store_bytes(skb, 0, headers, length, BPF_F_RECOMPUTE_CSUM);
}

/* One machine's address: not zero, "this network", the loopback, a group, reserved or broadcast. */
static __always_inline int is_machine_v4(__be32 address)
{
	__u8 first = *(const __u8 *)&address;

	return first && first != 127 && first < 224;
}

static __always_inline int is_machine_v6(const struct address *a)
{
	return *(const __u8 *)a != 0xff && (a->word[0] || a->word[1] || a->word[2] || bpf_ntohl(a->word[3]) > 1);
}

static __always_inline int is_v4_error(const struct __sk_buff *skb, __u8 protocol, __u32 at)
{
	__u8 type = 0;

	if (protocol != IPPROTO_ICMP)
		return 0;
	return bpf_skb_load_bytes(skb, at, &type, 1) || (type >= 3 && type <= 5) || type == 11 || type == 12;
}

/* Its header, of up to V4_MAX_WORDS, is whole and has the right checksum. */
static __always_inline int is_sound(const __u32 *words, __u32 length)
{
	__u32 count = *(const __u8 *)words & 0xf;
	__u64 sum = 0;

	if (*(const __u8 *)words >> 4 != 4 || count < V4_WORDS || count * 4 > length)
		return 0;
#pragma unroll
	for (__u32 i = 0; i < V4_MAX_WORDS; i++)
		if (i < count)
			sum += words[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	return !fold((__u32)sum + (__u32)(sum >> 32));
}

static __noinline int tell_v4(struct __sk_buff *skb, __u32 from, __u32 mtu)
{
	__u32 words[V4_MAX_WORDS], length, quoted;
	const struct iphdr *ip = (const void *)words;
	struct v4_error e = {};
	__s64 sum = 0;

	if (mtu < V4_LEAST_MTU || bpf_skb_load_bytes(skb, ETH_HLEN, words, sizeof(words)))
		return 0;
	length = ip_length(skb, bpf_ntohs(ip->tot_len));
	if (length < V4_LEAST || length <= mtu || length > skb->len - ETH_HLEN || !is_sound(words, length))
		return 0;
	if (!(ip->frag_off & IP_DF) || ip->frag_off & IP_OFFSET || !is_machine_v4(ip->saddr) || !is_machine_v4(ip->daddr) ||
	    is_v4_error(skb, ip->protocol, ETH_HLEN + (*(const __u8 *)words & 0xf) * 4))
		return 0;
	if (bpf_skb_load_bytes(skb, 0, e.src, MAC_LEN) || bpf_skb_load_bytes(skb, MAC_LEN, e.dst, MAC_LEN) ||
	    !may_tell(from))
		return 0;
	quoted = (length < V4_QUOTE ? length : V4_QUOTE) / CHUNK * CHUNK;
	if (quote(skb, V4_ERROR_LEN, quoted, &sum))
		return 0;
	e.type = bpf_htons(ETH_P_IP);
	e.version_ihl = 0x45;
	e.tos = INTERNETWORK_CONTROL;
	e.total_length = bpf_htons(V4_ERROR_LEN + quoted);
	e.fragment = IP_DF;
	e.ttl = ERROR_TTL;
	e.protocol = IPPROTO_ICMP;
	e.saddr = ip->daddr;
	e.daddr = ip->saddr;
	e.what = UNREACHABLE_FRAGMENTATION_NEEDED;
	e.mtu = bpf_htons(mtu);
	e.checksum = fold(bpf_csum_diff(0, 0, (__be32 *)&e.what, 8, sum));
	e.ip_checksum = fold(bpf_csum_diff(0, 0, (__be32 *)&e.version_ihl, sizeof(struct iphdr), 0));
	return write_headers(skb, e.dst, ETH_HLEN + V4_ERROR_LEN) ? 0 : (int)(ETH_HLEN + V4_ERROR_LEN + quoted);
}

/* It is neither a later fragment nor an ICMPv6 error or redirect, nor more wrapped up than can be seen here. */
static __always_inline int may_be_told_v6(const struct __sk_buff *skb, __u8 header, __u32 length)
{
	__u32 at = ETH_HLEN + V6_WORDS * 4, end = ETH_HLEN + length;
	__u8 type = 0;

	if (past_extensions(skb, &header, &at, end) != REACHED)
		return 0;
	if (header != IPPROTO_ICMPV6)
		return !is_extension(header);
	return at < end && !bpf_skb_load_bytes(skb, at, &type, 1) && type >= ICMPV6_INFORMATION && type != ICMPV6_REDIRECT;
}

static __noinline int tell_v6(struct __sk_buff *skb, __u32 from, __u32 mtu)
{
	__u32 words[V6_WORDS], length;
	const struct ipv6hdr *ip = (const void *)words;
	struct v6_error e = {};
	/* The pseudo-header is the addresses, and these two numbers (RFC 8200, section 8.1). */
	__s64 sum = bpf_htonl(V6_ERROR_LEN - sizeof(*ip) + V6_QUOTE + IPPROTO_ICMPV6);

	if (mtu < V6_LEAST_MTU || bpf_skb_load_bytes(skb, ETH_HLEN, words, sizeof(words)) ||
	    *(const __u8 *)words >> 4 != 6)
		return 0;
	length = ip_length(skb, sizeof(*ip) + bpf_ntohs(ip->payload_len));
	if (length <= mtu || length > skb->len - ETH_HLEN || !may_be_told_v6(skb, ip->nexthdr, length))
		return 0;
	__builtin_memcpy(&e.to, words + 2, sizeof(e.to));
	__builtin_memcpy(&e.from, words + 6, sizeof(e.from));
	if (!is_machine_v6(&e.to) || !is_machine_v6(&e.from))
		return 0;
	if (bpf_skb_load_bytes(skb, 0, e.src, MAC_LEN) || bpf_skb_load_bytes(skb, MAC_LEN, e.dst, MAC_LEN) ||
	    !may_tell(from) || quote(skb, V6_ERROR_LEN, V6_QUOTE, &sum))
		return 0;
	e.type = bpf_htons(ETH_P_IPV6);
	e.version_class_flow = bpf_htonl(0x60000000);
	e.length = bpf_htons(V6_ERROR_LEN - sizeof(*ip) + V6_QUOTE);
	e.next_header = IPPROTO_ICMPV6;
	e.hop_limit = ERROR_TTL;
	e.what = PACKET_TOO_BIG;
	e.mtu = bpf_htonl(mtu);
	e.checksum = fold(bpf_csum_diff(0, 0, e.from.word, V6_SUMMED, sum));
	return write_headers(skb, e.dst, ETH_HLEN + V6_ERROR_LEN) ? 0 : (int)(ETH_HLEN + V6_ERROR_LEN + V6_QUOTE);
}

/*
 * The sender of a frame learns that IP packets of `mtu` bytes fit, and none larger. Returns the length of the error that
 * the frame has become, or 0: there is none, and the frame is to be dropped.
 */
static __always_inline int tell(struct __sk_buff *skb, __u32 from, __u32 mtu)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return tell_v4(skb, from, mtu);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return tell_v6(skb, from, mtu);
	return 0;
}

#endif
