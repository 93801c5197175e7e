/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * This file contains every key and value that the eBPF programs and Python share through maps.
 * vxnet/datapath/layout.py says the same in Python; the loader compares the sizes before anything runs.
 *
 *      domain  (a segment's layer-2 network)
 *        +-- member, member, ...      a local device (port) or a tunnel
 *        +-- flood list               the places BUM goes to
 *        +-- FDB: (domain, vlan, MAC) -> place
 *
 *      place = (member, remote address)   a port, or a remote behind a tunnel
 *
 * Addresses are 128 bits everywhere, IPv4 in its mapped form (::ffff:a.b.c.d), in network byte order. MTUs are IP MTUs
 * in bytes, times are CLOCK_MONOTONIC in nanoseconds. Domains and members are slots of arrays: a slot's memory is never
 * handed to another one while a program looks at it, as an element of a hash map is.
 */
#ifndef VXNET_STRUCTS_H
#define VXNET_STRUCTS_H

#include <linux/types.h>

#define MAC_LEN 6
#define NAME_LEN 64
#define OWNER_LEN 128

struct address {
	__be32 word[4];
};

/* Where a MAC is, and where a copy of a flooded frame goes. remote is zero for a port. */
struct place {
	__u32 member;
	struct address remote;
};

/* What belongs to all of one daemon's switch. */
struct state {
	__u32 layout;		/* of who made these maps (layout.py): another one has to take them over */
	__u32 epoch;		/* cached flows of another epoch are void; Python adds 1 after each change */
	__u32 domains_high;	/* slots of domains and members from here on have never been used */
	__u32 members_high;
	__u32 meaning;		/* MEANING of layout.py: maps that were meant otherwise are not taken over (handover.py) */
	char owner[OWNER_LEN];	/* whose this is: the alias of the devices it made (kernel.py) */
	__u32 bfd_min_tx;	/* ms; these, to the end, are for the daemon alone */
	__u32 bfd_min_rx;	/* ms */
	__u32 bfd_detect_mult;
	__u32 probe_interval;	/* ms; 0: remotes are not probed */
	__u32 probe_detect_mult;
};

/* A UDP port that packets come to and leave from, and the kernel's VXLAN device there: the slow path. */
struct vtep {
	struct address local;	/* zero: any address of this host; then underlay and mtu are zero as well */
	struct address local6;	/* the IPv6 one beside an IPv4 one; else the same as local */
	__u32 underlay;		/* ifindex of the device that holds local */
	__u32 overlay;		/* ifindex of the VXLAN device */
	__u32 mtu;		/* of the underlay device */
	__u32 dstport;		/* host byte order */
};

#define DOMAIN_LEARNING 1
#define DOMAIN_BRIDGE 2		/* a bridge; else a segment */
#define DOMAIN_BPDU 4		/* a bridge that forwards what is for the link alone */
#define DOMAIN_TAGS 8		/* a segment whose frames may have tags (RFC 7348, section 6.1) */
#define DOMAIN_ALIVE 16	/* a segment whose remotes are left out of its flood list while they are dead: by the daemon */
#define DOMAIN_VLANS (DOMAIN_BRIDGE | DOMAIN_TAGS)	/* VLANs inside: see vlan.h */

struct domain {
	__u64 ageing;		/* ns; 0: learned entries live for ever */
	__u32 flood_version;	/* which flood list is in force ... */
	__u32 flood_count;	/* ... and its length: one 64-bit word, so that both change together */
	__u32 flags;
	__u32 vni;
	__u32 maxaddress;	/* MACs one place may teach */
	__u32 used;		/* 0: this slot is free */
	__u32 storm_control;	/* BUM frames a second from one place, and from all together (storm.h); 0: any number */
	__u32 storm_control_total;
	__u32 max_moves;	/* of a MAC in DUPLICATE_TIME, before it stays at home (duplicates.h); 0: any number */
	char name[NAME_LEN];
};

enum member_kind {
	MEMBER_FREE = 0,
	MEMBER_PORT = 1,
	MEMBER_TUNNEL = 2,
	MEMBER_BFD = 3,		/* the management VNI: in no domain (liveness.h) */
};

/*
 * A veth whose other end is up in another network namespace: frames are put straight into that end. Only there may a
 * GSO packet go that was unwrapped in place: it still carries the tunnel's GSO type, and a device that has to segment
 * it (a TAP, offloads off) takes three times as long as the slow path.
 */
#define MEMBER_PEER 1

#define MEMBER_INTERNAL 2	/* a port whose device vxnet made */

/* Of a tunnel. */
#define MEMBER_DF 4		/* outer packets are not to be fragmented */
#define MEMBER_CSUM 8		/* the outer UDP checksum is computed: by the slow path alone */
#define MEMBER_TTL_INHERIT 16	/* TTL and TOS of the inner packet: by the slow path alone */
#define MEMBER_TOS_INHERIT 32
#define MEMBER_SOME_VLANS 64	/* a trunk that has not all VLANs: which, says the map `trunks` */
#define MEMBER_SECURED 128	/* a port that only what the map `sources` names may leave (secure.h) */
#define MEMBER_LOOP 256		/* a port that is cut off, as it is in a loop (loop.h) */
#define MEMBER_SLOW (MEMBER_CSUM | MEMBER_TTL_INHERIT | MEMBER_TOS_INHERIT)

/* Which VLANs of a bridge a member is in. */
enum vlan_mode { VLAN_TRUNK = 0, VLAN_ACCESS = 1, VLAN_NATIVE_TAGGED = 2, VLAN_NATIVE_UNTAGGED = 3 };

struct member {
	__u32 kind;
	__u32 domain;
	__u32 ifindex;		/* of a port; of a bridge's tunnel: the device its packets arrive at */
	__u32 flags;
	__u16 vlan_mode;
	__u16 tag;
	__u32 vni;		/* of a tunnel, from here on: what it takes, or ANY_VNI ... */
	__u32 vni_out;		/* ... and what it sends */
	__u32 dstport;
	__u32 ttl;
	__u32 tos;
	__u32 storm_control;	/* of a port, in the place of its domain's; 0: its domain's */
	__u32 senders;		/* of a tunnel: who may send to it, a list of the map `senders`; SENDERS_... */
	struct address local;	/* zero: any */
	struct address remote;	/* zero: any, or those of a flood list */
	struct address group;	/* zero: none */
	char name[NAME_LEN];	/* a port's device, or what a tunnel is called */
};

#define VLANS 4096

/* A set of VLANs. */
struct vlan_set {
	__u64 word[VLANS / 64];
};

struct fdb_key {
	__u32 domain;
	__u16 vlan;		/* 0 in a segment, which has no VLANs inside */
	__u8 mac[MAC_LEN];
};

/*
 * What may leave a secured port. The longest prefix that fits decides: a MAC alone (PREFIX_MAC) stands for all frames but
 * IP and ARP if its value is SOURCE_MAC, for these as well if it is SOURCE_ANY; an address under its MAC and its family
 * (PREFIX_ADDRESS) is always SOURCE_ANY.
 */
#define PREFIX_MAC 80		/* bits of a key up to its type, */
#define PREFIX_ADDRESS 96	/* and up to its address */
#define SOURCE_MAC 1
#define SOURCE_ANY 2

struct source_key {
	__u32 prefix;		/* how many bits of what follows count */
	__u32 member;
	__u8 mac[MAC_LEN];
	__be16 type;		/* ETH_P_IP or ETH_P_IPV6: no prefix of one family holds for the other */
	struct address address;
};

/* Who may send to the tunnels that have this list: many segments have the same. */
#define PREFIX_SENDER 64	/* bits of a key up to its address */
#define SENDERS_ANYBODY 0
#define SENDERS_NOBODY 4294967295

struct sender_key {
	__u32 prefix;
	__u32 list;
	__u32 family;		/* 4 or 6: ::/0 says nothing of IPv4 in its mapped form */
	struct address address;
};

/* In a domain, an address whose owner's MAC is known, and for which ARP and ND are answered here. */
struct neighbour_key {
	__u32 domain;
	struct address address;
};

struct neighbour {
	__u8 mac[MAC_LEN];
	__u16 unused;
};

#define FDB_STATIC 1

struct fdb_entry {
	struct place place;
	__u32 flags;
	__u64 last_seen;
};

#define DUPLICATE_TIME 180000000000LL

/* A MAC that has moved lately. */
struct moved {
	struct place home;	/* where it was before the first of these moves */
	struct place other;	/* the last place beside that */
	__u32 moves;
	__u32 duplicate;	/* it moved too often: it stays at home */
	__u64 since;		/* when it first moved, or became a duplicate; DUPLICATE_TIME later this is forgotten */
};

/* A question to a port whether it is in a loop, by its nonce, which nobody knows but who has heard it there (loop.h). */
struct question_key {
	__u64 nonce;
};

struct question {
	__u32 member;		/* the port it went out of */
	struct place back;	/* where it came in again; member 0: nowhere yet */
};

struct flood_key {
	__u32 domain;
	__u32 version;
	__u32 index;
};

/*
 * Whose is a packet from the underlay? A tunnel may leave open which VNI (ANY_VNI), which remote (zero) and which of our
 * addresses (zero); the most particular entry decides (arrival.h). An entry for LISTENING, which no packet can have,
 * says that we receive at local, a group or another address than the VTEP's.
 */
#define ANY_VNI (1 << 24)
#define LISTENING 16777217

struct arrival_key {
	__u32 vni;
	__u32 dstport;
	struct address local;	/* the packet's destination */
	struct address remote;	/* its source */
};

/* A frame of the management VNI, as the daemon finds it in the ring buffer `heard`. */
#define HEARD_LEN 128		/* bytes: a BFD packet has 66, over IPv6 86, with the longest authentication 28 more */

struct heard {
	struct address remote;
	__u32 length;		/* of what is here of the frame */
	__u8 frame[HEARD_LEN];
};

struct traffic {
	__u64 rx_packets;	/* from the port, or from the underlay: into the segment */
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 unlearned;	/* source MACs not learned: maxaddress reached, or the table is full */
	__u64 suppressed;	/* BUM frames from there that storm control dropped */
	__u64 told;		/* to a port: when it may be told all at once again that its packets are too big (toobig.h) */
};

/*
 * ---- the flow cache: what the FDB said last, and the outer header ready to be copied ----
 *
 * One array for each CPU, each slot holding the key it stands for: found without a call, written and read by that CPU
 * alone, so that no flow is ever seen half written or in the place of another. Two flows that fall on one slot take turns.
 */
#define FLOW_SLOTS 4096		/* a power of two */

struct tx_flow_key {
	__u32 ifindex;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
};

/* Behind either outer IP header: UDP, VXLAN and the inner Ethernet header. */
struct encap {
	__be16 sport;
	__be16 dport;
	__be16 udp_length;
	__be16 udp_checksum;
	__be32 vxlan_flags;
	__be32 vxlan_vni;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
	__be16 type;
} __attribute__((packed, aligned(2)));

/* The 64 bytes in front of the tenant's IP packet: all of the outer headers and the inner Ethernet header. */
struct wire {
	__u8 outer_dst[MAC_LEN];
	__u8 outer_src[MAC_LEN];
	__be16 outer_type;
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
	struct encap encap;
} __attribute__((packed, aligned(4)));	/* whatever it is read from: else each field is read byte by byte */

/* The 84 bytes of an IPv6 underlay. */
struct wire6 {
	__u8 outer_dst[MAC_LEN];
	__u8 outer_src[MAC_LEN];
	__be16 outer_type;
	__be32 version_class_label;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	struct address saddr;
	struct address daddr;
	struct encap encap;
} __attribute__((packed, aligned(4)));

#define FLOW_LOCAL 1		/* to a port of this host: nothing to wrap */
#define FLOW_PEER 2		/* MEMBER_PEER */
#define FLOW_SECURED 4		/* MEMBER_SECURED: only for the sources at the end of struct tx_flow */
#define FLOW_IPV6 8		/* through an IPv6 underlay: wire6 */

struct tx_flow {
	struct tx_flow_key key;	/* all zero: this slot is empty */
	__u64 checked;		/* when the FDB was asked */
	__u64 confirmed;	/* when a frame of this flow last went the slow path (see NEIGHBOUR_CONFIRM) */
	__u32 epoch;
	__u32 moves;
	__u32 domain;
	__u32 from;		/* member */
	__u32 to;		/* member */
	__u32 ifindex;
	__u32 flags;
	__u32 mtu;		/* of the way to the remote; over IPv6 less what its header is longer */
	__u32 ip_sum;		/* the outer IPv4 header's checksum without TOS and total length, not folded */
	__be32 ipv4;		/* of a secured port: the IPv4 and the IPv6 source that were found to be allowed; zero: none */
	union {
		struct wire wire;
		struct wire6 wire6;
		__u64 words[11];
	};
	struct address ipv6;
};

struct rx_flow_key {
	__be32 vni;		/* the header's last word: VNI and reserved byte; another byte there is another flow */
	__be16 dport;
	__u16 unused;
	__u8 dst[MAC_LEN];
	__u8 src[MAC_LEN];
	__u32 unused2;
	struct address remote;
	struct address local;
};

struct rx_flow {
	struct rx_flow_key key;
	__u64 checked;
	__u64 deferred;		/* when a packet of it last was left to the slow path: see order in underlay.h; 0: never */
	__u32 epoch;
	__u32 moves;
	__u32 domain;
	__u32 from;
	__u32 to;
	__u32 ifindex;
	__u32 flags;
};

#endif
