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
                        |<--------------- 36 ------------>|     (over IPv6: 40 and 56)

`encapsulate` writes what the eBPF programs write: DF set, identification and flow label 0, TTL 64, TOS 0 but for the
inner ECN field, no UDP checksum.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import msgspec

from vxnet.model import VXLAN_PORT
from vxnet.packet import ecn, ip, udp
from vxnet.packet.errors import MalformedError, need
from vxnet.packet.ethernet import IPV4, IPV6, Ethernet
from vxnet.packet.flow import source_port

if TYPE_CHECKING:
    from vxnet.model import IPAddress

HEADER_LENGTH = 8
VNI_VALID = 0x08
"""The I flag, in the first byte."""


def overhead(remote: IPAddress) -> int:
    """Return the bytes of outer IP packet around an inner frame: 36 over IPv4, 56 over IPv6.

    The outer MACs do not count towards an MTU.
    """
    header = ip.IPV4_HEADER_LENGTH if isinstance(remote, IPv4Address) else ip.IPV6_HEADER_LENGTH
    return header + udp.HEADER_LENGTH + HEADER_LENGTH


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


def encapsulate(frame: bytes, *, vni: int, src: IPAddress, dst: IPAddress, dst_port: int = VXLAN_PORT) -> bytes:
    """Return the outer IP packet (without the outer Ethernet header) that carries ``frame`` from VTEP to VTEP.

    TypeError if ``src`` and ``dst`` are not of one family.
    """
    payload = Vxlan(vni=vni, payload=frame).encode()
    datagram = udp.Udp(src_port=source_port(frame), dst_port=dst_port, payload=payload).encode()
    tos = ecn.outer_field(frame)
    if isinstance(src, IPv4Address) and isinstance(dst, IPv4Address):
        v4 = ip.IPv4(src=src, dst=dst, protocol=ip.UDP, ttl=64, tos=tos, dont_fragment=True, payload=datagram)
        return v4.encode()
    if isinstance(src, IPv6Address) and isinstance(dst, IPv6Address):
        v6 = ip.IPv6(src=src, dst=dst, next_header=ip.UDP, hop_limit=64, traffic_class=tos, payload=datagram)
        return v6.encode()
    raise TypeError(f"{src} and {dst} are of two families")


def onto_ethernet(packet: bytes, *, src_mac: str, dst_mac: str) -> bytes:
    """Return the frame that carries the outer IP ``packet`` to its next hop."""
    ethertype = IPV4 if packet[0] >> 4 == 4 else IPV6
    return Ethernet(dst=dst_mac, src=src_mac, ethertype=ethertype, payload=packet).encode()
