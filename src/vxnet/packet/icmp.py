# SPDX-License-Identifier: Apache-2.0
"""ICMP: echo, what `ping` speaks (RFC 792, page 14), and the error that tells of a path's MTU (RFC 1191, section 4).

 0                   1                   2                   3
+---------------+---------------+-------------------------------+
|  type 8 or 0  |    code 0     |           checksum            |
+---------------+---------------+-------------------------------+
|          identifier           |        sequence number        |
+-------------------------------+-------------------------------+

+---------------+---------------+-------------------------------+
|    type 3     |    code 4     |           checksum            |
+---------------+---------------+-------------------------------+
|           unused              |      MTU of the next hop      |
+-------------------------------+-------------------------------+
|   the beginning of the packet that did not fit                |
"""

from __future__ import annotations

import struct

import msgspec

from vxnet.packet.checksum import internet_checksum
from vxnet.packet.errors import MalformedError, need

HEADER_LENGTH = 8
ECHO_REPLY = 0
ECHO_REQUEST = 8
UNREACHABLE = 3
FRAGMENTATION_NEEDED = 4
"""The code, of the type `UNREACHABLE`."""
ERRORS = frozenset({UNREACHABLE, 4, 5, 11, 12})
"""Types that are errors, about which no error is sent (RFC 1122, section 3.2.2)."""


class IcmpEcho(msgspec.Struct, frozen=True, kw_only=True):
    """An echo request, or (``reply``) the answer to one."""

    identifier: int
    sequence: int
    reply: bool = False
    payload: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> IcmpEcho:
        """Read an IPv4 payload.

        Raises MalformedError if it is another kind of ICMP message, cut off, or its checksum is wrong.
        """
        need(data, HEADER_LENGTH, "ICMP echo")
        kind, code, _, identifier, sequence = struct.unpack_from("!BBHHH", data)
        if kind not in {ECHO_REPLY, ECHO_REQUEST} or code:
            raise MalformedError(f"ICMP echo: type {kind}, code {code}")
        if internet_checksum(data):
            raise MalformedError("ICMP echo: wrong checksum")
        return cls(identifier=identifier, sequence=sequence, reply=kind == ECHO_REPLY, payload=data[HEADER_LENGTH:])

    def encode(self) -> bytes:
        """Return the message's bytes with the checksum filled in."""
        kind = ECHO_REPLY if self.reply else ECHO_REQUEST
        after = struct.pack("!HH", self.identifier, self.sequence) + self.payload
        checksum = internet_checksum(bytes((kind, 0, 0, 0)) + after)
        return struct.pack("!BBH", kind, 0, checksum) + after


class FragmentationNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """IP packets of up to ``mtu`` bytes fit; ``quote`` is the beginning of one that did not, and must not be cut."""

    mtu: int
    quote: bytes

    def encode(self) -> bytes:
        """Return the message's bytes with the checksum filled in."""
        after = struct.pack("!HH", 0, self.mtu) + self.quote
        checksum = internet_checksum(bytes((UNREACHABLE, FRAGMENTATION_NEEDED, 0, 0)) + after)
        return struct.pack("!BBH", UNREACHABLE, FRAGMENTATION_NEEDED, checksum) + after
