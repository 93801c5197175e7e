# SPDX-License-Identifier: Apache-2.0
"""ARP for IPv4 over Ethernet (RFC 826).

 0                   1                   2                   3
+-------------------------------+-------------------------------+
|       hardware type = 1       |     protocol type = 0x0800    |
+---------------+---------------+-------------------------------+
|  length = 6   |  length = 4   |           operation           |
+---------------+---------------+-------------------------------+
|   sender MAC (6), sender IP (4), target MAC (6), target IP (4)
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import msgspec

from vxnet.packet.errors import MalformedError, need
from vxnet.packet.mac import ZERO, format_mac, parse_mac

LENGTH = 28
REQUEST = 1
REPLY = 2

_FIXED = struct.pack("!HHBB", 1, 0x0800, 6, 4)


class Arp(msgspec.Struct, frozen=True, kw_only=True):
    """One ARP packet; in a request ``target_mac`` is zero, as nobody knows it yet."""

    operation: int
    sender_mac: str
    sender_ip: IPv4Address
    target_mac: str = ZERO
    target_ip: IPv4Address

    @classmethod
    def parse(cls, data: bytes) -> Arp:
        """Read an Ethernet payload; what follows the 28 bytes (padding) is ignored.

        Raises MalformedError if it is too short, or ARP for anything but IPv4 over Ethernet.
        """
        need(data, LENGTH, "ARP")
        if data[:6] != _FIXED:
            raise MalformedError(f"ARP: not IPv4 over Ethernet: {data[:6].hex()}")
        return cls(
            operation=int.from_bytes(data[6:8], "big"),
            sender_mac=format_mac(data[8:14]),
            sender_ip=IPv4Address(data[14:18]),
            target_mac=format_mac(data[18:24]),
            target_ip=IPv4Address(data[24:28]),
        )

    def encode(self) -> bytes:
        """Return the 28 bytes."""
        return (
            _FIXED
            + self.operation.to_bytes(2, "big")
            + parse_mac(self.sender_mac)
            + self.sender_ip.packed
            + parse_mac(self.target_mac)
            + self.target_ip.packed
        )
