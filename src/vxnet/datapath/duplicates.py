# SPDX-License-Identifier: Apache-2.0
"""MACs that are in two places at once, as the programs have found them (rule 12; bpf/duplicates.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from vxnet.datapath.layout import DUPLICATE_TIME, FdbKey
from vxnet.packet.mac import format_mac

if TYPE_CHECKING:
    from vxnet.datapath.layout import Moved, Place
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.slots import Slots


class Duplicate(msgspec.Struct, frozen=True):
    """A MAC that has moved too often: it stays at ``home``, though it was seen at ``other`` as well.

    Places are a port's device, or a remote. ``since`` in nanoseconds of CLOCK_MONOTONIC tells it from an earlier time.
    """

    segment: str
    mac: str
    home: str
    other: str
    since: int


def keys(maps: Maps, now: int) -> frozenset[bytes]:
    """Return the FDB's keys of those that count as duplicates at ``now`` (ns of CLOCK_MONOTONIC)."""
    return frozenset(bytes(key) for key, value in maps.moved.items() if _in_force(value, now))


def duplicates(maps: Maps, slots: Slots, now: int) -> tuple[Duplicate, ...]:
    """Return them for people."""
    return tuple(
        Duplicate(
            slots.domains[key.domain].name.decode(),
            format_mac(bytes(key.mac)),
            name_of(value.home, slots),
            name_of(value.other, slots),
            value.since,
        )
        for key, value in maps.moved.items()
        if _in_force(value, now) and not _orphan(key, value, slots)
    )


def forget(maps: Maps, slots: Slots, now: int) -> None:
    """Free what is remembered of MACs that have not moved for long, or whose home is gone."""
    for key, value in list(maps.moved.items()):
        if _orphan(key, value, slots) or now - value.since >= DUPLICATE_TIME:
            fresh = maps.moved.get(key)
            if fresh and fresh.since == value.since:  # else it has moved again since it was read
                maps.moved.remove(key)


def _in_force(value: Moved, now: int) -> bool:
    return bool(value.duplicate) and now - value.since < DUPLICATE_TIME


def _orphan(key: FdbKey, value: Moved, slots: Slots) -> bool:
    home = slots.members.get(value.home.member)
    return key.domain not in slots.domains or home is None or home.domain != key.domain


def name_of(place: Place, slots: Slots) -> str:
    """Return a place for people: a port's device, or a remote."""
    member = slots.members.get(place.member)
    return str(place.remote.ip() or (member.name.decode() if member else "a port that is gone"))
