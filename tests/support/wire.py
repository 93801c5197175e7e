# SPDX-License-Identifier: Apache-2.0
"""Packets from the board's first remote, made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.board import BLUE, LOCAL, REMOTES, UNDERLAY_MAC, group_mac, next_hop_mac
from vxnet.packet import ip, udp, vxlan

if TYPE_CHECKING:
    from ipaddress import IPv4Address

REMOTE = REMOTES[0]


def datagram(inner: bytes, *, vni: int = BLUE.vni) -> bytes:
    """Return the UDP datagram that carries a frame, without a checksum."""
    return udp.Udp(src_port=50000, dst_port=4789, payload=vxlan.Vxlan(vni=vni, payload=inner).encode()).encode()


def packet(payload: bytes, *, dst: IPv4Address = LOCAL, **fields: Any) -> bytes:
    """Return the IPv4 packet with this UDP datagram (or a part of it), in its Ethernet frame.

    ``fields`` are those of its IPv4 header.
    """
    header = ip.IPv4(**{"src": REMOTE, "dst": dst, "protocol": ip.UDP, "payload": payload, **fields})
    to = group_mac(dst) if dst.is_multicast else UNDERLAY_MAC
    return vxlan.onto_ethernet(header.encode(), src_mac=next_hop_mac(REMOTE), dst_mac=to)


def outer(inner: bytes, *, vni: int = BLUE.vni, dst: IPv4Address = LOCAL, **fields: Any) -> bytes:
    """Return the packet that carries a frame."""
    return packet(datagram(inner, vni=vni), dst=dst, **fields)
