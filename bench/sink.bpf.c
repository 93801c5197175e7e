// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sink: at the receiving VM's eth0, counts and drops the generator's packets (UDP to DPORT), and lets all else by.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DPORT 9 /* discard, RFC 863 */

/* Packets dropped, for each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

/* The part of the headers that tells, from the first byte of an IPv4 header without options to the UDP ports. */
struct headers {
	__u8 version_and_length;
	__u8 skipped[8];
	__u8 protocol;
	__u8 checksum_and_addresses[10];
	__be16 sport, dport;
};

SEC("tc")
int sink(struct __sk_buff *skb)
{
	struct headers found;
	__u32 key = 0;
	__u64 *count;

	/* The generator's packets are in pages of its ring, out of reach of direct access. */
	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &found, sizeof(found)))
		return TC_ACT_UNSPEC;
	if (found.version_and_length != 0x45 || found.protocol != IPPROTO_UDP || found.dport != bpf_htons(DPORT))
		return TC_ACT_UNSPEC;
	count = bpf_map_lookup_elem(&packets, &key);
	if (count)
		(*count)++;
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
