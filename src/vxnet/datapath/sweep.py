# SPDX-License-Identifier: Apache-2.0
"""The FDB's housekeeping: freeing what has aged out, and setting right how much each place has taught; moves likewise.

The programs do not find expired entries any more (rule 5); the sweep only frees their memory. They count a place's
entries up when it teaches one; the sweep counts what is really there and writes that down.
"""

from __future__ import annotations

from collections import Counter
from ctypes import c_uint32
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import duplicates
from vxnet.datapath.layout import FDB_STATIC

if TYPE_CHECKING:
    from vxnet.datapath.layout import Domain, FdbKey, FdbValue
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.slots import Slots


class Swept(NamedTuple):
    """How many entries were removed, how many learned ones are left, and how many places have taught one."""

    removed: int
    learned: int
    places: int


def sweep(maps: Maps, slots: Slots, now: int) -> Swept:
    """Remove expired and orphaned entries. ``now`` in ns of CLOCK_MONOTONIC."""
    removed = 0
    taught: Counter[bytes] = Counter()
    for key, value in maps.fdb.items():
        if _orphan(key, value, slots):
            removed += maps.fdb.remove(key)
        elif expired(value, slots.domains[key.domain], now):
            # It may have been seen again since it was read.
            fresh = maps.fdb.get(key)
            if fresh and fresh.last_seen == value.last_seen:
                removed += maps.fdb.remove(key)
        elif not value.flags & FDB_STATIC:
            taught[bytes(value.place)] += 1
    for place, count in list(maps.learned.items()):
        right = taught[bytes(place)]
        if not right:
            maps.learned.remove(place)
        elif right != count.value:
            maps.learned.put(place, c_uint32(right))
    duplicates.forget(maps, slots, now)
    return Swept(removed, taught.total(), len(taught))


def expired(value: FdbValue, domain: Domain, now: int) -> bool:
    """Tell whether a learned entry has reached its segment's ageing."""
    return not value.flags & FDB_STATIC and domain.ageing > 0 and now - value.last_seen >= domain.ageing


def _orphan(key: FdbKey, value: FdbValue, slots: Slots) -> bool:
    member = slots.members.get(value.place.member)
    if key.domain not in slots.domains or member is None or member.domain != key.domain:
        return True
    # A bridge's tunnel that has got another remote.
    return any(member.remote.raw) and bytes(member.remote.raw) != bytes(value.place.remote.raw)
