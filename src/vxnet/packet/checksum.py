# SPDX-License-Identifier: Apache-2.0
"""The Internet checksum (RFC 1071): the complement of the one's-complement sum of 16-bit words."""

from __future__ import annotations


def internet_checksum(data: bytes) -> int:
    """Return the 16-bit checksum of ``data``; an odd last byte is padded with zero.

    Over data that already contains its right checksum the result is 0.
    """
    if len(data) % 2:
        data += b"\0"
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
