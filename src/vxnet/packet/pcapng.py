# SPDX-License-Identifier: Apache-2.0
"""Writing captures that Wireshark and tshark read (pcapng, draft-ietf-opsawg-pcapng, section 4).

    section header block             once
    interface description block      one for each interface, numbered 0, 1, ... in the order they appear
    enhanced packet block            one for each packet: interface, time, bytes, comments

    every block:   | type 4 | length 4 | body, padded to 4 ... | length 4 |
    every option:  | code 2 | length 2 | value, padded to 4 ... |              closed by | 0 | 0 |

All numbers are little-endian here: the byte-order magic in the section header tells the reader.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence

LINKTYPE_ETHERNET = 1

_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE_DESCRIPTION = 1
_ENHANCED_PACKET = 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_LENGTH_UNKNOWN = -1

_OPT_COMMENT = 1
_SHB_USERAPPL = 4
_IF_NAME = 2
_IF_TSRESOL = 9
_NANOSECONDS = bytes((9,))
"""if_tsresol: time stamps count units of 10^-9 seconds."""


class PcapngWriter:
    """Writes one pcapng section into a binary file, which stays the caller's to flush and close."""

    def __init__(self, file: BinaryIO) -> None:
        """Write the section header.

        Args:
            file: opened for writing bytes; OSError of its ``write`` is passed on by every method.
        """
        self._file = file
        self._interfaces = 0
        self._block(
            _SECTION_HEADER,
            struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, _LENGTH_UNKNOWN) + _options((_SHB_USERAPPL, b"vxnet")),
        )

    def add_interface(self, name: str, *, linktype: int = LINKTYPE_ETHERNET) -> int:
        """Describe an interface and return its number for `write`."""
        self._block(
            _INTERFACE_DESCRIPTION,
            struct.pack("<HHI", linktype, 0, 0) + _options((_IF_NAME, name.encode()), (_IF_TSRESOL, _NANOSECONDS)),
        )
        self._interfaces += 1
        return self._interfaces - 1

    def write(
        self,
        interface: int,
        packet: bytes,
        *,
        time_ns: int,
        comments: Sequence[str] = (),
        original_length: int | None = None,
    ) -> None:
        """Write one packet.

        Args:
            interface: a number that `add_interface` returned; ValueError for any other.
            packet: the bytes captured.
            time_ns: nanoseconds since 1970-01-01 00:00 UTC, below 2^64.
            comments: shown by Wireshark with the packet.
            original_length: bytes the packet had on the wire, if more than were captured.
        """
        if not 0 <= interface < self._interfaces:
            raise ValueError(f"pcapng: interface {interface} is not one of the {self._interfaces} described")
        length = len(packet) if original_length is None else original_length
        fixed = struct.pack("<IIIII", interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(packet), length)
        options = _options(*((_OPT_COMMENT, comment.encode()) for comment in comments))
        self._block(_ENHANCED_PACKET, fixed + _padded(packet) + options)

    def _block(self, kind: int, body: bytes) -> None:
        length = struct.pack("<I", 12 + len(body))
        self._file.write(struct.pack("<I", kind) + length + body + length)


def _options(*options: tuple[int, bytes]) -> bytes:
    if not options:
        return b""
    return b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options) + bytes(4)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
