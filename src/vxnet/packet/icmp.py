# SPDX-License-Identifier: Apache-2.0
"""ICMP echo, what `ping` speaks (RFC 792, page 14).

 0                   1                   2                   3
+---------------+---------------+-------------------------------+
|  type 8 or 0  |    code 0     |           checksum            |
+---------------+---------------+-------------------------------+
|          identifier           |        sequence number        |
+-------------------------------+-------------------------------+
"""

from __future__ import annotations

import struct

import msgspec

from vxnet.packet.checksum import internet_checksum
from vxnet.packet.errors import MalformedError, need

HEADER_LENGTH = 8
ECHO_REPLY = 0
ECHO_REQUEST = 8


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
