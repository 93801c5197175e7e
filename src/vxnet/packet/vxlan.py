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

`encapsulate` writes what the eBPF programs write: identification and flow label 0, and the inner ECN field in the TOS.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import msgspec

from vxnet.model import VXLAN_PORT
from vxnet.packet import ecn, ethernet, ip, udp
from vxnet.packet.errors import MalformedError, need
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


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What may be chosen of the outer header. ``ttl`` 0 and ``tos`` None: the inner packet's, or 64 and 0 of none."""

    ttl: int = 64
    tos: int | None = 0
    df: bool = True
    csum: bool = False


PLAIN = Header()
"""DF set, TTL 64, TOS 0, no UDP checksum."""


def encapsulate(
    frame: bytes, *, vni: int, src: IPAddress, dst: IPAddress, dst_port: int = VXLAN_PORT, header: Header = PLAIN
) -> bytes:
    """Return the outer IP packet (without the outer Ethernet header) that carries ``frame`` from VTEP to VTEP.

    TypeError if ``src`` and ``dst`` are not of one family.
    """
    payload = Vxlan(vni=vni, payload=frame).encode()
    datagram = udp.Udp(src_port=source_port(frame), dst_port=dst_port, payload=payload)
    if header.csum:
        datagram = datagram.with_checksum(src, dst)
    inner_ttl, inner_tos = _ttl_and_tos(frame)
    ttl = header.ttl or inner_ttl
    tos = (inner_tos if header.tos is None else header.tos) | ecn.outer_field(frame)
    data = datagram.encode()
    if isinstance(src, IPv4Address) and isinstance(dst, IPv4Address):
        v4 = ip.IPv4(src=src, dst=dst, protocol=ip.UDP, ttl=ttl, tos=tos, dont_fragment=header.df, payload=data)
        return v4.encode()
    if isinstance(src, IPv6Address) and isinstance(dst, IPv6Address):
        return ip.IPv6(src=src, dst=dst, next_header=ip.UDP, hop_limit=ttl, traffic_class=tos, payload=data).encode()
    raise TypeError(f"{src} and {dst} are of two families")


def _ttl_and_tos(frame: bytes) -> tuple[int, int]:
    """Return TTL and TOS, without ECN, of the packet in a frame; 64 and 0 if it is none, or has less than 20 bytes.

    It is found behind two VLAN tags, too.
    """
    frame = ethernet.strip_tag(ethernet.strip_tag(frame))
    packet = frame[ethernet.HEADER_LENGTH : ethernet.HEADER_LENGTH + ip.IPV4_HEADER_LENGTH]
    ethertype = int.from_bytes(frame[12:14], "big")
    if len(packet) < ip.IPV4_HEADER_LENGTH or ethertype not in {ethernet.IPV4, ethernet.IPV6}:
        return PLAIN.ttl, 0
    if ethertype == ethernet.IPV4:
        return packet[8], packet[1] & ~ecn.CE
    return packet[7], int.from_bytes(packet[:2], "big") >> 4 & 0xFF & ~ecn.CE


def onto_ethernet(packet: bytes, *, src_mac: str, dst_mac: str) -> bytes:
    """Return the frame that carries the outer IP ``packet`` to its next hop."""
    ethertype = ethernet.IPV4 if packet[0] >> 4 == 4 else ethernet.IPV6
    return ethernet.Ethernet(dst=dst_mac, src=src_mac, ethertype=ethertype, payload=packet).encode()
