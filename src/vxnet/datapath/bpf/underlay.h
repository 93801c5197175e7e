/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains the underlay side: what happens to a packet that arrives on the device with the VTEP's address.
 *
 *   1. underlay_fast  a plain VXLAN packet (IPv4 without options or fragments, UDP without checksum) whose VNI, addresses
 *                     and MACs were seen less than a second ago: unwrap, straight to its port.
 *   2. underlay_slow  otherwise, if it is for our address (or a group) and UDP port: refuse what is not VXLAN or not for
 *                     any segment; known unicast is learned from, unwrapped and delivered; reserved bits are cleared
 *                     (RFC 7348, section 5: ignored on receipt; the kernel would refuse them); the rest goes on up the
 *                     stack, to the kernel's VXLAN device.
 *   3. overlay        what the VXLAN device made of it: the frame alone, its VNI and addresses beside it. Check, learn,
 *                     deliver or flood to ports; never back to the underlay (rule 3).
 *
 * Packets that are none of our business get TC_ACT_UNSPEC: other programs on the device, and the host, see them untouched.
 */
#ifndef VXNET_UNDERLAY_H
#define VXNET_UNDERLAY_H

#include "access.h"
#include "checksum.h"
#include "fdb.h"
#include "flood.h"
#include "flows.h"
#include "tunnel.h"

#define DECLINE TC_ACT_UNSPEC

/*
 * What the outer ECN field says and the inner one does not is brought over by the kernel (RFC 6040, section 4.2): a
 * mark, and ECT(1) to ECT(0). Both are rare.
 */
static __always_inline int ecn_agrees(const struct __sk_buff *skb, const struct wire *w)
{
	__u8 outer = w->tos & ECN_MASK, inner[2] = {};

	if (!(outer & ECN_ECT1))
		return 1;
	bpf_skb_load_bytes(skb, WIRE_LEN, inner, sizeof(inner));
	if (w->type == bpf_htons(ETH_P_IPV6))
		inner[1] >>= 4;
	return outer == ECN_ECT1 && (inner[1] & ECN_MASK) != ECN_ECT0;
}

/* One VXLAN packet as struct wire shows it: the 64 bytes are there, and they are IPv4, UDP, unfragmented, unchecked. */
static __always_inline int plain(const struct wire *w)
{
	return w->version_ihl == 0x45 && w->protocol == IPPROTO_UDP && !(w->fragment & IP_FRAGMENT) &&
	       !w->udp_checksum && ip_header_sound(w);
}

static __always_inline int lengths_agree(const struct __sk_buff *skb, const struct wire *w)
{
	__u16 total = bpf_ntohs(w->total_length);

	return total == (__u16)(skb->len - ETH_HLEN) && bpf_ntohs(w->udp_length) == (__u16)(total - sizeof(struct iphdr));
}

/*
 * A GSO packet that is unwrapped in place still carries the tunnel's GSO type, which the VXLAN device would take off.
 * Whole segments of a stream do not mind, if they go straight into a guest. Datagrams do: the socket cuts them apart
 * again, and the kernel would look for a tunnel in them.
 */
static __always_inline int gso_bears_unwrapping(const struct __sk_buff *skb, __be16 type, __u32 peer)
{
	__u32 at = WIRE_LEN + (type == bpf_htons(ETH_P_IP) ? AT_IPV4_PROTOCOL : AT_IPV6_NEXT_HEADER);
	__u8 protocol = 0;

	if (!skb->gso_size)
		return 1;
	bpf_skb_load_bytes(skb, at, &protocol, 1);
	return peer && protocol == IPPROTO_TCP;
}

static __always_inline void rx_key(struct rx_flow_key *key, const struct wire *w)
{
	key->vni = w->vxlan_vni;
	key->remote = w->saddr;
	__builtin_memcpy(key->dst, w->dst, 2 * MAC_LEN);
}

/* Returns an action, or -2 to decline. */
static __always_inline int underlay_fast(struct __sk_buff *skb)
{
	struct wire *w = (void *)(long)skb->data;
	__u32 zero = 0, bytes = skb->len - OUTER_LEN;
	struct rx_flow_key key;
	struct rx_flow *flow;
	struct vtep *v;

	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST ||
	    (void *)(w + 1) > (void *)(long)skb->data_end)
		return -2;
	v = bpf_map_lookup_elem(&vtep, &zero);
	if (!v || w->dport != bpf_htons(v->dstport) || w->daddr != v->local.word[3] || !plain(w) || !is_ip(w->type) ||
	    !lengths_agree(skb, w) || !(w->vxlan_flags & VXLAN_I_FLAG) || !ecn_agrees(skb, w))
		return -2;
	rx_key(&key, w);
	flow = rx_slot(&key);
	if (!flow || !same_rx_key(&flow->key, &key) || !holds(flow->epoch, flow->moves, flow->domain, flow->checked))
		return -2;
	if (!gso_bears_unwrapping(skb, w->type, flow->flags & FLOW_PEER))
		return -2;
	if (unwrap(skb))
		return -2;
	count_rx(flow->from, bytes);
	count_tx(flow->to, bytes);
	return flow->flags & FLOW_PEER ? bpf_redirect_peer(flow->ifindex, 0) : bpf_redirect(flow->ifindex, 0);
}

/* The tunnel a packet came through: by the sender's address first, then by nobody's in particular. */
static __always_inline __u32 *arrival(__u32 vni, __u32 dstport, struct address local, struct address remote)
{
	struct arrival_key key = { .vni = vni, .dstport = dstport, .local = local, .remote = remote };
	__u32 *slot = bpf_map_lookup_elem(&arrivals, &key);

	if (slot)
		return slot;
	__builtin_memset(&key.remote, 0, sizeof(key.remote));
	return bpf_map_lookup_elem(&arrivals, &key);
}

/* A source the kernel would not take from the wire either: none, 127/8, a group, the broadcast address. */
static __always_inline int is_martian(__be32 ipv4)
{
	__u8 first = bpf_ntohl(ipv4) >> 24;

	return !ipv4 || first == 127 || (first & 0xf0) == 0xe0 || ipv4 == 0xffffffff;
}

/* Known unicast to a port: learn, remember and unwrap. Returns the action, or -2 to leave it to the VXLAN device. */
static __noinline int open_rx_flow(struct __sk_buff *skb, __u32 from)
{
	struct wire *w = (void *)(long)skb->data;
	struct place here = { .member = from }, there = {};
	struct member *tunnel, *port;
	struct rx_flow_key key;
	struct rx_flow *flow;
	__u32 zero = 0, bytes = skb->len - OUTER_LEN, *moved;
	struct vtep *v = bpf_map_lookup_elem(&vtep, &zero);
	struct domain *d;

	if (!v || (void *)(w + 1) > (void *)(long)skb->data_end)
		return -2;
	if (is_group(w->dst) || is_group(w->src) || is_zero(w->src) || same_mac(w->dst, w->src))
		return -2;
	if (skb->len < WIRE_LEN + (w->type == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))
		return -2;	/* nothing is learned from it: the kernel drops it */
	tunnel = bpf_map_lookup_elem(&members, &from);
	if (!tunnel)
		return -2;
	d = bpf_map_lookup_elem(&domains, &tunnel->domain);
	moved = bpf_map_lookup_elem(&moves, &tunnel->domain);
	if (!d || !moved || find(tunnel->domain, d, w->dst, &there, &port) != MEMBER_PORT)
		return -2;
	if (!gso_bears_unwrapping(skb, w->type, port->flags & MEMBER_PEER))
		return -2;
	rx_key(&key, w);
	here.remote = mapped(key.remote);
	learn(tunnel->domain, w->src, &here);
	flow = rx_slot(&key);
	if (!flow)
		return -2;
	flow->key = key;
	flow->checked = now_ns();
	flow->epoch = v->epoch;
	flow->moves = *moved;
	flow->domain = tunnel->domain;
	flow->from = from;
	flow->to = there.member;
	flow->ifindex = port->ifindex;
	flow->flags = port->flags & MEMBER_PEER ? FLOW_PEER : 0;
	if (unwrap(skb))
		return -2;
	count_rx(from, bytes);
	count_tx(flow->to, bytes);
	return flow->flags & FLOW_PEER ? bpf_redirect_peer(flow->ifindex, 0) : bpf_redirect(flow->ifindex, 0);
}

static __always_inline int underlay_slow(struct __sk_buff *skb)
{
	__u32 zero = 0, udp_len, want, *slot, flags, vni, clean_flags, clean_vni;
	int ours, at_udp = ETH_HLEN + sizeof(struct iphdr), action;
	struct address local, remote;
	struct vtep *v;
	struct iphdr *ip;
	struct wire *w;
	void *end;

	v = bpf_map_lookup_elem(&vtep, &zero);
	if (!v || skb->protocol != bpf_htons(ETH_P_IP) ||
	    (skb->pkt_type != PACKET_HOST && skb->pkt_type != PACKET_MULTICAST))
		return DECLINE;
	want = skb->len < WIRE_LEN ? skb->len : WIRE_LEN;
	if ((void *)(long)skb->data + want > (void *)(long)skb->data_end && bpf_skb_pull_data(skb, want))
		return DECLINE;
	ip = (void *)(long)skb->data + ETH_HLEN;
	end = (void *)(long)skb->data_end;
	/* The kernel judges odd IP headers, and puts fragments together before the VXLAN device sees them. */
	if ((void *)ip + sizeof(*ip) + sizeof(struct udphdr) > end || *(__u8 *)ip != 0x45 ||
	    ip->protocol != IPPROTO_UDP || (ip->frag_off & IP_FRAGMENT))
		return DECLINE;
	w = (void *)(long)skb->data;
	if (((struct udphdr *)(ip + 1))->dest != bpf_htons(v->dstport))
		return DECLINE;
	local = mapped(ip->daddr);
	remote = mapped(ip->saddr);
	ours = same_address(&local, &v->local);
	if (same_address(&remote, &v->local) || is_martian(ip->saddr))
		return DECLINE;
	if (!ours && (skb->pkt_type != PACKET_MULTICAST || !arrival(ANY_VNI, v->dstport, local, remote)))
		return DECLINE;

	udp_len = bpf_ntohs(((struct udphdr *)(ip + 1))->len);
	if (udp_len < WIRE_LEN - ETH_HLEN - sizeof(*ip) || (void *)(w + 1) > end ||
	    bpf_ntohs(ip->tot_len) < WIRE_LEN - ETH_HLEN || (!skb->gso_size && bpf_ntohs(ip->tot_len) > skb->len - ETH_HLEN))
		return drop(DROP_TRUNCATED);
	if (!(w->vxlan_flags & VXLAN_I_FLAG) || udp_len != (__u32)bpf_ntohs(ip->tot_len) - sizeof(*ip))
		return drop(DROP_BAD_HEADER);
	flags = w->vxlan_flags;
	vni = w->vxlan_vni;
	slot = arrival(bpf_ntohl(vni) >> 8, v->dstport, local, remote);
	if (!slot)
		return drop(DROP_UNKNOWN_VNI);
	if (!ip_header_sound(w) || (w->udp_checksum && short_and_wrong(skb, udp_len)))
		return drop(DROP_BAD_CHECKSUM);

	if (ours && skb->pkt_type == PACKET_HOST && plain(w) && is_ip(w->type) && lengths_agree(skb, w) &&
	    ecn_agrees(skb, w)) {
		action = open_rx_flow(skb, *slot);
		if (action != -2)
			return action;
	}
	clean_flags = VXLAN_I_FLAG;
	clean_vni = vni & ~bpf_htonl(0xff);
	if (flags != clean_flags || vni != clean_vni) {
		bpf_l4_csum_replace(skb, at_udp + 6, flags, clean_flags, BPF_F_MARK_MANGLED_0 | 4);
		bpf_l4_csum_replace(skb, at_udp + 6, vni, clean_vni, BPF_F_MARK_MANGLED_0 | 4);
		bpf_skb_store_bytes(skb, at_udp + 8, &clean_flags, 4, 0);
		bpf_skb_store_bytes(skb, at_udp + 12, &clean_vni, 4, 0);
	}
	return DECLINE;
}

static __always_inline int overlay_receive(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct place here = {}, there = {};
	struct bpf_tunnel_key key = {};
	struct member *tunnel, *target;
	__u8 dst[MAC_LEN], src[MAC_LEN];
	struct domain *d;
	struct vtep *v;
	__u32 zero = 0, *slot;

	v = bpf_map_lookup_elem(&vtep, &zero);
	if (!v || bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0))
		return drop(DROP_UNKNOWN_VNI);
	here.remote = mapped(bpf_htonl(key.remote_ipv4));
	slot = arrival(key.tunnel_id, v->dstport, mapped(bpf_htonl(key.local_ipv4)), here.remote);
	if (!slot)
		return drop(DROP_UNKNOWN_VNI);
	here.member = *slot;
	tunnel = bpf_map_lookup_elem(&members, &here.member);
	if (!tunnel || tunnel->kind != MEMBER_TUNNEL)
		return drop(DROP_UNKNOWN_VNI);
	d = bpf_map_lookup_elem(&domains, &tunnel->domain);
	if (!d || !d->used)
		return drop(DROP_UNKNOWN_VNI);
	count_rx(here.member, skb->len + (skb->vlan_present ? VLAN_LEN : 0));

	if (data + ETH_HLEN > end)
		return drop(DROP_TRUNCATED);
	__builtin_memcpy(dst, data, MAC_LEN);
	__builtin_memcpy(src, data + MAC_LEN, MAC_LEN);
	if (is_group(src) || is_zero(src))
		return drop(DROP_BAD_SOURCE);
	if (skb->vlan_present || skb->protocol == bpf_htons(ETH_P_8021Q) || skb->protocol == bpf_htons(ETH_P_8021AD))
		return drop(DROP_VLAN_TAG);
	learn(tunnel->domain, src, &here);

	if (!is_group(dst)) {
		switch (find(tunnel->domain, d, dst, &there, &target)) {
		case MEMBER_PORT:
			count_tx(there.member, skb->len);
			return bpf_redirect(target->ifindex, 0);
		case MEMBER_TUNNEL:
			return drop(DROP_SPLIT_HORIZON);
		default:
			break;
		}
	}
	return flood_frame(skb, tunnel->domain, d, here.member, v->overlay, 0, 0);
}

#endif
