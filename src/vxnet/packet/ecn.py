# SPDX-License-Identifier: Apache-2.0
"""Explicit congestion notification across the tunnel (RFC 6040): two bits of IPv4's TOS or IPv6's traffic class.

    on the way in   outer = inner, but a mark (CE) goes out as ECT(0), as RFC 3168 (9.1.1) and Linux have it
    on the way out  a marked outer marks the inner; an inner that cannot be marked is dropped   section 4.2
                    ECT(1), a lighter mark to some, goes over to an inner ECT(0)

Frames without an IP header have no such field. On the way out, neither have those with a VLAN tag.
"""

from __future__ import annotations

from vxnet.packet.checksum import internet_checksum
from vxnet.packet.ethernet import DOT1AD, DOT1Q, HEADER_LENGTH, IPV4, IPV6, strip_tag
from vxnet.packet.ip import IPV4_HEADER_LENGTH, IPV6_HEADER_LENGTH

NOT_ECT, ECT1, ECT0, CE = range(4)

_HAVE_THE_FIELD = frozenset({IPV4, IPV6})

_LEAST = {IPV4: IPV4_HEADER_LENGTH, IPV6: IPV6_HEADER_LENGTH, DOT1Q: 6, DOT1AD: 6}
"""Bytes behind the Ethernet header without which Linux takes no frame out of a tunnel; a tag needs two behind it."""


def ends_in_header(frame: bytes) -> bool:
    """Tell whether the frame ends inside its IPv4 or IPv6 header, or its VLAN tag or the two bytes behind that."""
    return len(frame) < HEADER_LENGTH + _LEAST.get(int.from_bytes(frame[12:14], "big"), 0)


def field(frame: bytes) -> int | None:
    """Return the field of the frame's IPv4 or IPv6 header; None if it has none."""
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype not in _HAVE_THE_FIELD or ends_in_header(frame):
        return None
    second = frame[HEADER_LENGTH + 1]
    return (second if ethertype == IPV4 else second >> 4) & CE


def outer_field(frame: bytes) -> int:
    """Return the field of the outer header around ``frame``: into a tunnel, Linux looks behind a VLAN tag for it."""
    inner = field(strip_tag(frame)) or NOT_ECT
    return ECT0 if inner == CE else inner


def taken_out(frame: bytes, outer: int) -> bytes | None:
    """Return the frame as it leaves a tunnel packet with this outer field; None if it has to be dropped."""
    inner = field(frame)
    if (outer, inner) == (CE, NOT_ECT):
        return None
    changes = (outer, inner) in {(CE, ECT0), (CE, ECT1), (ECT1, ECT0)}
    return _with_field(frame, outer) if changes else frame


def _with_field(frame: bytes, new: int) -> bytes:
    """Return the frame with another field in its IP header; an IPv4 header's checksum follows."""
    marked, at = bytearray(frame), HEADER_LENGTH + 1
    if int.from_bytes(frame[12:14], "big") == IPV6:
        marked[at] = marked[at] & ~(CE << 4) | new << 4
        return bytes(marked)
    marked[at] = marked[at] & ~CE | new
    # As RFC 1624 has it, so that a header whose checksum was wrong stays wrong.
    changed = (0xFFFF - int.from_bytes(frame[at + 9 : at + 11], "big")) + (0xFFFF - frame[at]) + marked[at]
    marked[at + 9 : at + 11] = internet_checksum(changed.to_bytes(4, "big")).to_bytes(2, "big")
    return bytes(marked)
