/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Why a frame was not forwarded: the one list, shared by the eBPF programs (included), by Python (read by
 * vxnet/drops.py) and so by `vxnet stats` and everything built on it.
 *
 * Append only. A number is never reused and a name never changed: counters and users' scripts hold them.
 * One line each: DROP(number, C name, "name for people and scripts", "what happened").
 */
DROP(1, BAD_SOURCE, "bad-source", "the frame's source MAC is zero or a group address")
DROP(2, VLAN_TAG, "vlan-tag", "the frame carries a VLAN tag where the segment takes none (RFC 7348, section 6.1)")
DROP(3, SAME_PORT, "same-port", "the destination MAC is at the port the frame came from")
DROP(4, SPLIT_HORIZON, "split-horizon", "a frame from the underlay is for a MAC that is behind the underlay")
DROP(5, NO_DESTINATION, "no-destination", "nobody to give the frame to: no other port, and flooding reaches no remote")
DROP(6, UNKNOWN_VNI, "unknown-vni", "a VXLAN packet for a VNI that no segment of this host has")
DROP(7, BAD_HEADER, "bad-header", "a VXLAN packet without the I flag, or with lengths that do not agree")
DROP(8, TRUNCATED, "truncated", "a VXLAN packet too short for its headers and one Ethernet header")
DROP(9, TOO_BIG, "too-big", "the encapsulated packet does not fit the underlay's MTU, and a VTEP never fragments")
DROP(10, NO_PORT, "no-port", "the device or the destination is being detached from its segment")
DROP(11, SEND_FAILED, "send-failed", "the kernel refused the packet: device down, no route to the remote, or no memory")
/* The next five the kernel counts too, and Python reads it there: vxnet/datapath/dropped.py. */
DROP(12, BAD_CHECKSUM, "bad-checksum", "the outer IP header's or the outer UDP checksum is wrong")
DROP(13, INNER_TRUNCATED, "inner-truncated", "a VXLAN packet whose frame ends inside its IP header or its VLAN tag")
DROP(14, CONGESTION_MARK, "congestion-mark", "the packet is marked (CE), and its frame can carry no mark (RFC 6040, section 4.2)")
DROP(15, KERNEL_SEND, "kernel-send", "a copy that the kernel's VXLAN device could not send, for want of a route for example")
DROP(16, KERNEL_RECEIVE, "kernel-receive", "a packet that the kernel's VXLAN device could not take, with a full queue for example")
DROP(17, VLAN_FILTERED, "vlan-filtered", "the port or tunnel is not in the VLAN of the frame (IEEE 802.1Q, 8.6.2 and 8.6.4)")
DROP(18, LINK_LOCAL, "link-local", "the destination is 01:80:c2:00:00:00-0f, which a bridge keeps to the link (IEEE 802.1Q, 8.6.3)")
DROP(19, SPOOFED, "spoofed", "the frame came from a MAC or an IP address that its port may not use")
DROP(20, UNKNOWN_REMOTE, "unknown-remote", "a VXLAN packet from an address that may not send to the segment, or from none (::)")
DROP(21, STORM, "storm", "a frame to be flooded, and more of them than storm control lets in from there in a second")
DROP(22, LOOP, "loop", "the frame came from a port that is cut off, as it is in a loop")
