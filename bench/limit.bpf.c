// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The limit: what a frame costs on its way from VM to VM when the hosts do nothing but hand it on.
 *
 *     tap  --access-->    redirect to the underlay device          (host 1)
 *     eth0 --underlay-->  redirect to the other end of the tap     (host 2)
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

enum { TO_UNDERLAY, TO_PORT, DEVICES };

/* Device numbers: where each of the two programs sends what it gets. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DEVICES);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

SEC("tc")
int access(struct __sk_buff *skb)
{
	__u32 key = TO_UNDERLAY, *device = bpf_map_lookup_elem(&devices, &key);

	(void)skb;
	return device ? bpf_redirect(*device, 0) : TC_ACT_SHOT;
}

SEC("tc")
int underlay(struct __sk_buff *skb)
{
	__u32 key = TO_PORT, *device = bpf_map_lookup_elem(&devices, &key);

	(void)skb;
	return device ? bpf_redirect_peer(*device, 0) : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
