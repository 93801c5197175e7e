# SPDX-License-Identifier: Apache-2.0
"""ICMPv6: its checksum (RFC 4443, section 2.3), the error that tells of a path's MTU (3.2), and echo (section 4).

 0                   1                   2                   3
+---------------+---------------+-------------------------------+
|    type 2     |    code 0     |           checksum            |
+---------------+---------------+-------------------------------+
|                             MTU                               |
+---------------------------------------------------------------+
|   as much of the packet as fits in 1280 bytes, headers and all|

+---------------+---------------+-------------------------------+
| type 128, 129 |    code 0     |           checksum            |
+---------------+---------------+-------------------------------+
|          identifier           |        sequence number        |
+-------------------------------+-------------------------------+
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from vxnet.packet.checksum import internet_checksum
from vxnet.packet.errors import MalformedError, need
from vxnet.packet.ip import ICMPV6

if TYPE_CHECKING:
    from ipaddress import IPv6Address

INFORMATION = 128
"""The first type that is no error (RFC 4443, section 2.1)."""

PACKET_TOO_BIG = 2
REDIRECT = 137


class PacketTooBig(msgspec.Struct, frozen=True, kw_only=True):
    """Packets of up to ``mtu`` bytes fit; ``quote`` is the beginning of one that did not."""

    mtu: int
    quote: bytes

    def encode(self, src: IPv6Address, dst: IPv6Address) -> bytes:
        """Return the message's bytes with the checksum of a packet from ``src`` to ``dst``."""
        return with_checksum(bytes((PACKET_TOO_BIG, 0, 0, 0)) + self.mtu.to_bytes(4, "big") + self.quote, src, dst)


ECHO_REQUEST = 128
ECHO_REPLY = 129
_ECHO_LENGTH = 8


class Icmp6Echo(msgspec.Struct, frozen=True, kw_only=True):
    """An echo request, or (``reply``) the answer to one, as raw sockets have them: the kernel does the checksum."""

    identifier: int
    sequence: int
    reply: bool = False
    payload: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Icmp6Echo:
        """Read a message. Raises MalformedError if it is of another kind, or cut off."""
        need(data, _ECHO_LENGTH, "ICMPv6 echo")
        kind, code, identifier, sequence = struct.unpack_from("!BBxxHH", data)
        if kind not in {ECHO_REQUEST, ECHO_REPLY} or code:
            raise MalformedError(f"ICMPv6 echo: type {kind}, code {code}")
        return cls(identifier=identifier, sequence=sequence, reply=kind == ECHO_REPLY, payload=data[_ECHO_LENGTH:])

    def encode(self) -> bytes:
        """Return the message's bytes without a checksum."""
        kind = ECHO_REPLY if self.reply else ECHO_REQUEST
        return struct.pack("!BBxxHH", kind, 0, self.identifier, self.sequence) + self.payload


def with_checksum(message: bytes, src: IPv6Address, dst: IPv6Address) -> bytes:
    """Fill in a message's checksum, which is over a pseudo-header too (RFC 8200, section 8.1)."""
    pseudo = src.packed + dst.packed + len(message).to_bytes(4, "big") + ICMPV6.to_bytes(4, "big")
    return message[:2] + internet_checksum(pseudo + message).to_bytes(2, "big") + message[4:]
