# SPDX-License-Identifier: Apache-2.0
"""MAC addresses: text ``aa:bb:cc:dd:ee:ff`` (lower case) in values, 6 bytes on the wire.

first byte    7 6 5 4 3 2 1 0
                          | +-- I/G: 1 = group address (multicast and broadcast)
                          +---- U/L: 1 = locally administered          (IEEE 802-2014, section 8.2)
"""

from __future__ import annotations

import re

from vxnet.packet.errors import MalformedError

LENGTH = 6
ZERO = "00:00:00:00:00:00"
BROADCAST = "ff:ff:ff:ff:ff:ff"

_TEXT = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def parse_mac(text: str) -> bytes:
    """Return the 6 bytes of ``aa:bb:cc:dd:ee:ff`` (either case).

    Raises MalformedError (a ValueError) for any other text.
    """
    if _TEXT.fullmatch(text) is None:
        raise MalformedError(f"MAC address: {text!r} is not of the form aa:bb:cc:dd:ee:ff")
    return bytes.fromhex(text.replace(":", ""))


def format_mac(raw: bytes) -> str:
    """Return the text of 6 bytes, lower case.

    Raises MalformedError if there are not exactly 6.
    """
    if len(raw) != LENGTH:
        raise MalformedError(f"MAC address: {len(raw)} bytes instead of {LENGTH}")
    return raw.hex(":")


def is_group(mac: str) -> bool:
    """Whether this is a multicast or the broadcast address."""
    return bool(parse_mac(mac)[0] & 1)


def eui64(text: str) -> bytes:
    """Return the 8 bytes of the interface identifier that IPv6 makes of a MAC (RFC 4291, appendix A)."""
    octets = parse_mac(text)
    return bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
