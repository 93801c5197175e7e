# SPDX-License-Identifier: Apache-2.0
"""A member's VLANs: written into its `Member` and, for a trunk that has not all of them, into `trunks`."""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING, Final, Literal

from vxnet.datapath.layout import (
    MEMBER_SOME_VLANS,
    VLAN_ACCESS,
    VLAN_NATIVE_TAGGED,
    VLAN_NATIVE_UNTAGGED,
    VLAN_TRUNK,
    VlanSet,
)
from vxnet.model import Vlans

if TYPE_CHECKING:
    from vxnet.datapath.layout import Member
    from vxnet.datapath.maps import Maps

Mode = Literal["access", "trunk", "native-tagged", "native-untagged"]

_MODES: Final[dict[Mode, int]] = {
    "trunk": VLAN_TRUNK,
    "access": VLAN_ACCESS,
    "native-tagged": VLAN_NATIVE_TAGGED,
    "native-untagged": VLAN_NATIVE_UNTAGGED,
}
_NAMES: Final = {number: mode for mode, number in _MODES.items()}


def describe(member: Member, vlans: Vlans) -> None:
    """Say in ``member``, which is not in the map yet, what VLANs it is in."""
    member.vlan_mode, member.tag = _MODES[vlans.mode], vlans.tag
    if vlans.trunks:
        member.flags |= MEMBER_SOME_VLANS


def put(maps: Maps, slot: int, vlans: Vlans) -> None:
    """Write the VLANs of a trunk, before the member says that it has some."""
    if vlans.trunks:
        maps.trunks.put(c_uint32(slot), VlanSet.of(vlans.trunks))


def forget_old(maps: Maps, slot: int, vlans: Vlans) -> None:
    """Take away those of a trunk that is none any more, after the member says so."""
    if not vlans.trunks:
        forget(maps, slot)


def forget(maps: Maps, slot: int) -> None:
    """Take them away, after the member."""
    maps.trunks.remove(c_uint32(slot))


def vlans_of(maps: Maps, slot: int, member: Member) -> Vlans:
    """Return what `describe` and `put` wrote."""
    some = maps.trunks.get(c_uint32(slot)) if member.flags & MEMBER_SOME_VLANS else None
    return Vlans(mode=_NAMES[member.vlan_mode], tag=member.tag, trunks=some.vlans() if some else ())
