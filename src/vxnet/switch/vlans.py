# SPDX-License-Identifier: Apache-2.0
"""VLANs: in which one a member's frame is, and with what tag a frame leaves by a member, if at all.

    bytes on the wire  --- take_in --->  Frame: untagged, its VLAN and its tag beside it  --- give_out --->  bytes

A member is an access port of one VLAN, or a trunk of some or all, of which one may be native: untagged on the way in,
and on the way out as its mode says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from vxnet.packet import ethernet
from vxnet.packet.ethernet import VlanTag

if TYPE_CHECKING:
    from vxnet.model import Vlans


class Frame(NamedTuple):
    """A frame inside a segment or bridge: untagged, beside the tag it came with."""

    data: bytes
    vlan: int = 0
    tag: VlanTag = VlanTag(vid=0)


def take_in(vlans: Vlans, frame: bytes) -> Frame | None:
    """Return a frame as it is inside, or None if the member it came from is not in its VLAN."""
    data, tag = ethernet.take_tag(frame)
    vlan = _vlan_in(vlans, tag.vid)
    return None if vlan is None else Frame(data, vlan, tag)


def give_out(vlans: Vlans, frame: Frame) -> bytes | None:
    """Return the frame as this member gets it, or None if the member is not in the frame's VLAN."""
    vid = _vlan_out(vlans, frame.vlan)
    if vid is None:
        return None
    # In a trunk, VLAN 0 has a tag if there is a priority to be told.
    if vid or (vlans.mode == "trunk" and (frame.tag.pcp or frame.tag.dei)):
        return ethernet.put_tag(frame.data, replace(frame.tag, vid=vid))
    return frame.data


def _vlan_in(vlans: Vlans, vid: int) -> int | None:
    """Return the VLAN of a frame that came with this VLAN ID (0: none), or None if it is not admitted."""
    if vlans.mode == "access":
        return None if vid else vlans.tag
    if vlans.mode != "trunk" and vid in {0, vlans.tag}:
        return vlans.tag
    return vid if _in_trunk(vlans, vid) else None


def _vlan_out(vlans: Vlans, vlan: int) -> int | None:
    """Return the VLAN ID (0: untagged) that a frame of this VLAN goes out with, or None if it does not."""
    if vlans.mode == "access":
        return 0 if vlan == vlans.tag else None
    if vlans.mode != "trunk" and vlan == vlans.tag:
        return 0 if vlans.mode == "native-untagged" else vlan
    return vlan if _in_trunk(vlans, vlan) else None


def _in_trunk(vlans: Vlans, vlan: int) -> bool:
    """Tell whether a trunk is in this VLAN; one with a native VLAN is not in VLAN 0 unless it says so."""
    return vlan in vlans.trunks if vlans.trunks else vlans.mode == "trunk" or vlan != 0
