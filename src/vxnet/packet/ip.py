# SPDX-License-Identifier: Apache-2.0
"""IPv4 (RFC 791, section 3.1) and the fixed header of IPv6 (RFC 8200, section 3).

IPv4                                                              IPv6
+-------+-------+---------------+-------------------------------+ +-------+---------------+-----------------------+
|Version|  IHL  |      TOS      |         total length          | |Version| traffic class |      flow label       |
+-------+-------+---------------+-----+-------------------------+ +-------+-------+-------+-------+---------------+
|        identification         |0 D M|     fragment offset     | |    payload length     |  next | hop limit     |
+---------------+---------------+-----+-------------------------+ +-----------------------+-------+---------------+
|      TTL      |   protocol    |        header checksum        | |                  source (16 bytes)            |
+---------------+---------------+-------------------------------+ +-----------------------------------------------+
|                            source                             | |               destination (16 bytes)          |
+---------------------------------------------------------------+ +-----------------------------------------------+
|                          destination                          |
+---------------------------------------------------------------+
|                    options (IHL > 5 words)                    |
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import msgspec

from vxnet.packet.checksum import internet_checksum
from vxnet.packet.errors import MalformedError, need

IPV4_HEADER_LENGTH = 20
"""Bytes of an IPv4 header without options."""
IPV6_HEADER_LENGTH = 40

VERSION_4_NO_OPTIONS = 0x45
"""First byte of an IPv4 header of 20 bytes: version 4, IHL 5 words."""

VERSION_6 = 6

ICMP = 1
TCP = 6
UDP = 17
ICMPV6 = 58
SCTP = 132

DONT_FRAGMENT = 0x4000
MORE_FRAGMENTS = 0x2000
OFFSET_MASK = 0x1FFF
MORE_OR_OFFSET = MORE_FRAGMENTS | OFFSET_MASK
"""Bits of the flags and offset field of which any one makes a packet a fragment."""


HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS = 0, 43, 44, 60
EXTENSIONS = frozenset({HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS})
"""IPv6's extension headers that are gone past (RFC 8200, section 4)."""

EXTENSIONS_SEEN = 4
"""More of them are not gone past."""


class IPv4(msgspec.Struct, frozen=True, kw_only=True):
    """One IPv4 packet. ``offset`` is in units of 8 bytes; ``options`` has a multiple of 4 bytes, at most 40."""

    src: IPv4Address
    dst: IPv4Address
    protocol: int
    ttl: int = 64
    tos: int = 0
    identification: int = 0
    dont_fragment: bool = False
    more_fragments: bool = False
    offset: int = 0
    options: bytes = b""
    payload: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> IPv4:
        """Read an Ethernet payload; what follows the total length (padding) is ignored.

        Raises MalformedError if version, lengths or header checksum are wrong.
        """
        need(data, IPV4_HEADER_LENGTH, "IPv4")
        (version_ihl, tos, total_length, identification, flags, ttl, protocol) = struct.unpack_from("!BBHHHBB", data)
        header_length = (version_ihl & 0x0F) * 4
        if version_ihl >> 4 != 4 or header_length < IPV4_HEADER_LENGTH:
            raise MalformedError(f"IPv4: first byte is {version_ihl:#04x}")
        if not header_length <= total_length <= len(data):
            raise MalformedError(
                f"IPv4: total length {total_length} with a header of {header_length} and {len(data)} bytes there"
            )
        if internet_checksum(data[:header_length]):
            raise MalformedError("IPv4: wrong header checksum")
        return cls(
            src=IPv4Address(data[12:16]),
            dst=IPv4Address(data[16:20]),
            protocol=protocol,
            ttl=ttl,
            tos=tos,
            identification=identification,
            dont_fragment=bool(flags & DONT_FRAGMENT),
            more_fragments=bool(flags & MORE_FRAGMENTS),
            offset=flags & OFFSET_MASK,
            options=data[IPV4_HEADER_LENGTH:header_length],
            payload=data[header_length:total_length],
        )

    def encode(self) -> bytes:
        """Return the packet's bytes with lengths and header checksum filled in."""
        header_length = IPV4_HEADER_LENGTH + len(self.options)
        flags = self.dont_fragment * DONT_FRAGMENT | self.more_fragments * MORE_FRAGMENTS | self.offset
        before = struct.pack(
            "!BBHHHBB",
            4 << 4 | header_length // 4,
            self.tos,
            header_length + len(self.payload),
            self.identification,
            flags,
            self.ttl,
            self.protocol,
        )
        after = self.src.packed + self.dst.packed + self.options
        checksum = internet_checksum(before + after)
        return before + checksum.to_bytes(2, "big") + after + self.payload


class IPv6(msgspec.Struct, frozen=True, kw_only=True):
    """One IPv6 packet; extension headers, if any, are the beginning of ``payload``."""

    src: IPv6Address
    dst: IPv6Address
    next_header: int
    hop_limit: int = 64
    traffic_class: int = 0
    flow_label: int = 0
    payload: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> IPv6:
        """Read an Ethernet payload; what follows the payload length (padding) is ignored.

        Raises MalformedError if the version is not 6 or the packet is cut off.
        """
        need(data, IPV6_HEADER_LENGTH, "IPv6")
        first, payload_length, next_header, hop_limit = struct.unpack_from("!IHBB", data)
        if first >> 28 != 6:
            raise MalformedError(f"IPv6: version is {first >> 28}")
        need(data, IPV6_HEADER_LENGTH + payload_length, "IPv6")
        return cls(
            src=IPv6Address(data[8:24]),
            dst=IPv6Address(data[24:40]),
            next_header=next_header,
            hop_limit=hop_limit,
            traffic_class=first >> 20 & 0xFF,
            flow_label=first & 0xFFFFF,
            payload=data[IPV6_HEADER_LENGTH : IPV6_HEADER_LENGTH + payload_length],
        )

    def encode(self) -> bytes:
        """Return the packet's bytes with the payload length filled in."""
        first = 6 << 28 | self.traffic_class << 20 | self.flow_label
        fixed = struct.pack("!IHBB", first, len(self.payload), self.next_header, self.hop_limit)
        return fixed + self.src.packed + self.dst.packed + self.payload


def past_extensions(header: int, rest: bytes) -> tuple[int, bytes] | None:
    """Go past the extension headers that an IPv6 packet's payload begins with; ``header`` is the packet's next header.

    Returns the type of what they stand before, which is an extension's again if there are more than `EXTENSIONS_SEEN`,
    and the bytes of that. None: it is a later fragment, which has none of that. Raises MalformedError if it ends first.
    """
    for _ in range(EXTENSIONS_SEEN):
        if header not in EXTENSIONS:
            break
        need(rest, 4, "IPv6 extension header")
        if header == FRAGMENT and int.from_bytes(rest[2:4], "big") >> 3:
            return None
        header, rest = rest[0], rest[8 if header == FRAGMENT else (rest[1] + 1) * 8 :]
    return header, rest
