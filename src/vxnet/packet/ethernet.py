# SPDX-License-Identifier: Apache-2.0
r"""Ethernet frames without preamble and FCS, and their VLAN tags (IEEE 802.3, section 3; IEEE 802.1Q, section 9).

+--------------+--------------+ - - - - - - - - - - - - - - - - - +-------------+-----------
| destination 6|   source 6   | TPID 2 | PCP 3b DEI 1b VID 12b  | EtherType 2 | payload ...
+--------------+--------------+ - - - - - - - - - - - - - - - - - +-------------+-----------
                               \_ none, one or more VLAN tags ___/
"""

from __future__ import annotations

import struct

import msgspec

from vxnet.packet.errors import MalformedError, need
from vxnet.packet.mac import format_mac, parse_mac

HEADER_LENGTH = 14
TAG_LENGTH = 4

IPV4 = 0x0800
ARP = 0x0806
IPV6 = 0x86DD
DOT1Q = 0x8100
"""TPID of a customer tag (C-tag)."""
DOT1AD = 0x88A8
"""TPID of a service tag (S-tag)."""

_TPIDS = frozenset({DOT1Q, DOT1AD})


class VlanTag(msgspec.Struct, frozen=True, kw_only=True):
    """One tag: ``vid`` 0..4095 (0: priority only), ``pcp`` 0..7, ``dei``, ``tpid`` DOT1Q or DOT1AD."""

    vid: int
    pcp: int = 0
    dei: bool = False
    tpid: int = DOT1Q


class Ethernet(msgspec.Struct, frozen=True, kw_only=True):
    """One frame. ``tags`` stand outermost first; ``ethertype`` is that of the payload, never a tag's."""

    dst: str
    src: str
    ethertype: int
    tags: tuple[VlanTag, ...] = ()
    payload: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Ethernet:
        """Read a frame with all its tags.

        Raises MalformedError if the frame ends inside its header.
        """
        need(data, HEADER_LENGTH, "Ethernet")
        tags = []
        at = HEADER_LENGTH
        ethertype = int.from_bytes(data[12:14], "big")
        while ethertype in _TPIDS:
            need(data, at + TAG_LENGTH, "Ethernet VLAN tag")
            tci, inner = struct.unpack_from("!HH", data, at)
            tags.append(VlanTag(vid=tci & 0xFFF, pcp=tci >> 13, dei=bool(tci & 0x1000), tpid=ethertype))
            at += TAG_LENGTH
            ethertype = inner
        return cls(
            dst=format_mac(data[0:6]),
            src=format_mac(data[6:12]),
            ethertype=ethertype,
            tags=tuple(tags),
            payload=data[at:],
        )

    def encode(self) -> bytes:
        """Return the frame's bytes, neither padded nor with an FCS.

        Raises MalformedError if ``ethertype`` is a tag's TPID, as that frame could not be read back.
        """
        if self.ethertype in _TPIDS:
            raise MalformedError(f"Ethernet: {self.ethertype:#06x} announces a VLAN tag; tags belong into `tags`")
        tags = b"".join(struct.pack("!HH", tag.tpid, tag.pcp << 13 | tag.dei << 12 | tag.vid) for tag in self.tags)
        return parse_mac(self.dst) + parse_mac(self.src) + tags + self.ethertype.to_bytes(2, "big") + self.payload


def has_tag(frame: bytes) -> bool:
    """Whether the frame's EtherType field is a VLAN tag's (the tag itself may be cut off)."""
    return int.from_bytes(frame[12:14], "big") in _TPIDS


def strip_tag(frame: bytes) -> bytes:
    """Return the frame without its outermost VLAN tag; a frame without a whole one is returned as it is."""
    if not has_tag(frame) or len(frame) < HEADER_LENGTH + TAG_LENGTH:
        return frame
    return frame[:12] + frame[12 + TAG_LENGTH :]


def take_tag(frame: bytes) -> tuple[bytes, VlanTag]:
    """Return the frame without its outermost tag, and that tag; VID 0 of a C-tag if it has no whole one."""
    if not has_tag(frame) or len(frame) < HEADER_LENGTH + TAG_LENGTH:
        return frame, VlanTag(vid=0)
    tpid, tci = struct.unpack_from("!HH", frame, 12)
    return strip_tag(frame), VlanTag(vid=tci & 0xFFF, pcp=tci >> 13, dei=bool(tci & 0x1000), tpid=tpid)


def put_tag(frame: bytes, tag: VlanTag) -> bytes:
    """Return the frame with one more tag in front."""
    tci = tag.pcp << 13 | tag.dei << 12 | tag.vid
    return frame[:12] + struct.pack("!HH", tag.tpid, tci) + frame[12:]
