# SPDX-License-Identifier: Apache-2.0
"""UDP (RFC 768).

 0                   1                   2                   3
+-------------------------------+-------------------------------+
|          source port          |       destination port        |
+-------------------------------+-------------------------------+
|       length (with these 8)   |  checksum (0: none; IPv6: tunnels)|
+-------------------------------+-------------------------------+
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from vxnet.packet.checksum import internet_checksum
from vxnet.packet.errors import MalformedError, need
from vxnet.packet.ip import UDP

if TYPE_CHECKING:
    from vxnet.model import IPAddress

HEADER_LENGTH = 8


class Udp(msgspec.Struct, frozen=True, kw_only=True):
    """One datagram; ``checksum`` 0 says that the sender computed none."""

    src_port: int
    dst_port: int
    checksum: int = 0
    payload: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Udp:
        """Read an IP payload; what follows the UDP length is ignored, the checksum is not verified.

        Raises MalformedError if the datagram is cut off or its length is below 8.
        """
        need(data, HEADER_LENGTH, "UDP")
        src_port, dst_port, length, checksum = struct.unpack_from("!HHHH", data)
        if not HEADER_LENGTH <= length <= len(data):
            raise MalformedError(f"UDP: length {length} with {len(data)} bytes there")
        return cls(src_port=src_port, dst_port=dst_port, checksum=checksum, payload=data[HEADER_LENGTH:length])

    def encode(self) -> bytes:
        """Return the datagram's bytes with the length filled in and ``checksum`` as it stands here."""
        length = HEADER_LENGTH + len(self.payload)
        return struct.pack("!HHHH", self.src_port, self.dst_port, length, self.checksum) + self.payload

    def with_checksum(self, src: IPAddress, dst: IPAddress) -> Udp:
        """Return the same datagram with the checksum it has between these addresses."""
        bare = msgspec.structs.replace(self, checksum=0)
        # A checksum that comes out as 0 is sent as 0xffff, since 0 means none (RFC 768).
        return msgspec.structs.replace(self, checksum=udp_checksum(src, dst, bare.encode()) or 0xFFFF)


def udp_checksum(src: IPAddress, dst: IPAddress, datagram: bytes) -> int:
    """Return the checksum over pseudo header and datagram; 0 if the datagram already holds the right one.

    The pseudo headers are those of RFC 768 and RFC 8200, section 8.1: both sum the same words.
    """
    pseudo = src.packed + dst.packed + struct.pack("!II", len(datagram), UDP)
    return internet_checksum(pseudo + datagram)
