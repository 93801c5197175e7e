# SPDX-License-Identifier: Apache-2.0
"""Neighbour discovery for IPv6: solicitation and advertisement (RFC 4861, sections 4.3, 4.4 and 4.6.1).

 0                   1                   2                   3
+---------------+---------------+-------------------------------+
| type 135, 136 |    code 0     |           checksum            |
+-+-+-+---------+---------------+-------------------------------+
|R|S|O|   reserved (a solicitation has no flags)                |
+-+-+-+---------------------------------------------------------+
|                     target address (16)                       |
+---------------+---------------+-------------------------------+
| option 1 or 2 |  length 1 (8) |  MAC of the sender, or target |
+---------------+---------------+                               +
|                               |
+-------------------------------+
"""

from __future__ import annotations

from ipaddress import IPv6Address

import msgspec

from vxnet.packet.errors import MalformedError, need
from vxnet.packet.icmp6 import with_checksum
from vxnet.packet.mac import parse_mac

SOLICITATION, ADVERTISEMENT = 135, 136
LENGTH = 24
"""Bytes up to the options."""

HOP_LIMIT = 255
"""Of every packet of neighbour discovery: no router has passed it on (RFC 4861, section 7.1)."""

_SOURCE_MAC, _TARGET_MAC = 1, 2
_SOLICITED, _OVERRIDE = 0x40, 0x20


class Solicitation(msgspec.Struct, frozen=True, kw_only=True):
    """The question: who has ``target``? ``mac`` is the asker's, if it tells."""

    target: IPv6Address
    mac: str | None = None

    @classmethod
    def parse(cls, data: bytes) -> Solicitation:
        """Read an IPv6 payload; options and checksum are not looked at.

        Raises MalformedError if it is something else, or too short.
        """
        need(data, LENGTH, "neighbour solicitation")
        if data[:2] != bytes((SOLICITATION, 0)):
            raise MalformedError(f"neighbour solicitation: type {data[0]}, code {data[1]}")
        return cls(target=IPv6Address(data[8:24]))

    def encode(self, src: IPv6Address, dst: IPv6Address) -> bytes:
        """Return the message's bytes with the checksum of a packet from ``src`` to ``dst``."""
        option = bytes((_SOURCE_MAC, 1)) + parse_mac(self.mac) if self.mac else b""
        return with_checksum(bytes((SOLICITATION, 0, 0, 0)) + bytes(4) + self.target.packed + option, src, dst)


class Advertisement(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: ``target`` is at ``mac``. With the flags solicited and override; not a router's."""

    target: IPv6Address
    mac: str

    def encode(self, src: IPv6Address, dst: IPv6Address) -> bytes:
        """Return the message's bytes with the checksum of a packet from ``src`` to ``dst``."""
        flags = bytes((_SOLICITED | _OVERRIDE, 0, 0, 0))
        option = bytes((_TARGET_MAC, 1)) + parse_mac(self.mac)
        return with_checksum(bytes((ADVERTISEMENT, 0, 0, 0)) + flags + self.target.packed + option, src, dst)
