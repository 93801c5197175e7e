# SPDX-License-Identifier: Apache-2.0
"""VXLAN: a tenant's Ethernet frame inside UDP (RFC 7348, section 5).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-----------------------------------------------+
    |R|R|R|R|I|R|R|R|                   reserved                    |   I = 1: the VNI is valid
    +-+-+-+-+-+-+-+-+-------------------------------+---------------+   R and reserved: zero on send,
    |                      VNI                      |   reserved    |   ignored on receipt
    +-----------------------------------------------+---------------+

On the wire, with the bytes each header takes over IPv4:

    | outer Ethernet 14 | outer IPv4 20 | UDP 8 | VXLAN 8 | inner Ethernet frame without FCS |
                        |<--------------- 36 ------------>|

`encapsulate` writes what the eBPF programs write: DF set, identification 0, TTL 64, TOS 0 but for the inner ECN field,
no UDP checksum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from vxnet.model import VXLAN_PORT
from vxnet.packet import ecn, ip, udp
from vxnet.packet.errors import MalformedError, need
from vxnet.packet.ethernet import IPV4, Ethernet
from vxnet.packet.flow import source_port

if TYPE_CHECKING:
    from ipaddress import IPv4Address

HEADER_LENGTH = 8
VNI_VALID = 0x08
"""The I flag, in the first byte."""

OVERHEAD = ip.IPV4_HEADER_LENGTH + udp.HEADER_LENGTH + HEADER_LENGTH
"""Bytes of outer IP packet around an inner frame, over IPv4: 36. The outer MACs do not count towards an MTU."""


class Vxlan(msgspec.Struct, frozen=True, kw_only=True):
    """A VNI and the tenant's frame; what is reserved is not kept."""

    vni: int
    payload: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Vxlan:
        """Read a UDP payload, ignoring reserved bits.

        Raises MalformedError if the header is cut off or its I flag is not set.
        """
        need(data, HEADER_LENGTH, "VXLAN")
        if not data[0] & VNI_VALID:
            raise MalformedError(f"VXLAN: the I flag is not set in {data[0]:#04x}")
        return cls(vni=int.from_bytes(data[4:7], "big"), payload=data[HEADER_LENGTH:])

    def encode(self) -> bytes:
        """Return header and frame, everything reserved being zero."""
        return bytes((VNI_VALID, 0, 0, 0)) + self.vni.to_bytes(3, "big") + b"\0" + self.payload


def encapsulate(frame: bytes, *, vni: int, src: IPv4Address, dst: IPv4Address, dst_port: int = VXLAN_PORT) -> bytes:
    """Return the outer IPv4 packet (without the outer Ethernet header) that carries ``frame`` from VTEP to VTEP."""
    datagram = udp.Udp(src_port=source_port(frame), dst_port=dst_port, payload=Vxlan(vni=vni, payload=frame).encode())
    packet = ip.IPv4(
        src=src,
        dst=dst,
        protocol=ip.UDP,
        ttl=64,
        tos=ecn.outer_field(frame),
        dont_fragment=True,
        payload=datagram.encode(),
    )
    return packet.encode()


def onto_ethernet(packet: bytes, *, src_mac: str, dst_mac: str) -> bytes:
    """Return the frame that carries the outer IPv4 ``packet`` to its next hop."""
    return Ethernet(dst=dst_mac, src=src_mac, ethertype=IPV4, payload=packet).encode()
