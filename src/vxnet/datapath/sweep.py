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
from vxnet.datapath.layout import FDB_STATIC, FdbKey, FdbValue, Place, fields_of

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.slots import Slots


_KEY = fields_of(FdbKey, "domain")
_VALUE = fields_of(FdbValue, "place", "flags", "last_seen")


class Swept(NamedTuple):
    """How many entries were removed, how many learned ones are left, and how many places have taught one."""

    removed: int
    learned: int
    places: int


def sweep(maps: Maps, slots: Slots, now: int) -> Swept:
    """Remove expired and orphaned entries. ``now`` in ns of CLOCK_MONOTONIC."""
    ageing = {slot: domain.ageing for slot, domain in slots.domains.items()}
    homes: dict[bytes, int] = {}
    taught: Counter[bytes] = Counter()
    removed = 0
    for keys, values in maps.fdb.raw():
        # A million entries are looked through every ten seconds: as few Python objects for each as can be.
        for at, ((domain,), (place, flags, seen)) in enumerate(
            zip(_KEY.iter_unpack(keys), _VALUE.iter_unpack(values), strict=True)
        ):
            home = homes.get(place)
            if home is None:
                home = homes[place] = _domain_of(Place.from_buffer_copy(place), slots)
            if home != domain:
                removed += maps.fdb.remove(_key(keys, at))
            elif flags & FDB_STATIC:
                continue
            elif 0 < ageing[domain] <= now - seen:
                # It may have been seen again since it was read.
                fresh = maps.fdb.get(_key(keys, at))
                if fresh and fresh.last_seen == seen:
                    removed += maps.fdb.remove(_key(keys, at))
            else:
                taught[place] += 1
    _set_right(maps, taught)
    duplicates.forget(maps, slots, now)
    return Swept(removed, taught.total(), len(taught))


def _set_right(maps: Maps, taught: Counter[bytes]) -> None:
    """Write down how much each place has taught, as it was counted."""
    for place, count in list(maps.learned.items()):
        right = taught[bytes(place)]
        if not right:
            maps.learned.remove(place)
        elif right != count.value:
            maps.learned.put(place, c_uint32(right))


def _key(keys: bytes, at: int) -> FdbKey:
    return FdbKey.from_buffer_copy(keys, at * _KEY.size)


def _domain_of(place: Place, slots: Slots) -> int:
    """Return the domain that a place is in; 0 if it is no more: a bridge's tunnel, too, that has got another remote."""
    member = slots.members.get(place.member)
    if member is None or member.domain not in slots.domains:
        return 0
    is_another = any(member.remote.raw) and bytes(member.remote) != bytes(place.remote)
    return 0 if is_another else member.domain
