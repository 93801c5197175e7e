# SPDX-License-Identifier: Apache-2.0
"""The Internet checksum (RFC 1071): the complement of the one's-complement sum of 16-bit words."""

from __future__ import annotations


def internet_checksum(data: bytes) -> int:
    """Return the 16-bit checksum of ``data``; an odd last byte is padded with zero.

    Over data that already contains its right checksum the result is 0.
    """
    if len(data) % 2:
        data += b"\0"
    # 2^16 is 1 modulo 0xffff: a number is there what its words add up to. The sum of zeros is 0, any other never.
    total = int.from_bytes(data, "big")
    return (total % 0xFFFF or (total and 0xFFFF)) ^ 0xFFFF
