# SPDX-License-Identifier: Apache-2.0
"""The FDB's housekeeping: freeing what has aged out, and setting right how much each place has taught; moves likewise.

The programs do not find expired entries any more (rule 5); the sweep only frees their memory. They count a place's
entries up when it teaches one; the sweep counts what is really there and writes that down.
"""

from __future__ import annotations

import struct
from collections import Counter
from ctypes import c_uint32
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import duplicates
from vxnet.datapath.layout import FDB_STATIC, FdbKey

if TYPE_CHECKING:
    from vxnet.datapath.layout import Domain, FdbValue, Member
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.slots import Slots


_KEY = struct.Struct("=I8x")
"""`layout.FdbKey`: the domain, and what is not looked at."""

_VALUE = struct.Struct("=I16sIQ")
"""`layout.FdbValue`: member, remote, flags, last_seen."""

_NOWHERE = (0, b"")


class Swept(NamedTuple):
    """How many entries were removed, how many learned ones are left, and how many places have taught one."""

    removed: int
    learned: int
    places: int


def sweep(maps: Maps, slots: Slots, now: int) -> Swept:
    """Remove expired and orphaned entries. ``now`` in ns of CLOCK_MONOTONIC."""
    ageing = {slot: domain.ageing for slot, domain in slots.domains.items()}
    homes = {slot: (member.domain, _only(member)) for slot, member in slots.members.items()}
    taught: Counter[tuple[int, bytes]] = Counter()
    removed = 0
    for keys, values in maps.fdb.raw():
        # A million entries are looked through every ten seconds: as few Python objects for each as can be.
        for at, ((domain,), (member, remote, flags, seen)) in enumerate(
            zip(_KEY.iter_unpack(keys), _VALUE.iter_unpack(values), strict=True)
        ):
            home, only = homes.get(member, _NOWHERE)
            if home != domain or domain not in ageing or (only and only != remote):
                removed += maps.fdb.remove(_key(keys, at))
            elif flags & FDB_STATIC:
                continue
            elif 0 < ageing[domain] <= now - seen:
                # It may have been seen again since it was read.
                fresh = maps.fdb.get(_key(keys, at))
                if fresh and fresh.last_seen == seen:
                    removed += maps.fdb.remove(_key(keys, at))
            else:
                taught[member, remote] += 1
    for place, count in list(maps.learned.items()):
        right = taught[place.member, bytes(place.remote)]
        if not right:
            maps.learned.remove(place)
        elif right != count.value:
            maps.learned.put(place, c_uint32(right))
    duplicates.forget(maps, slots, now)
    return Swept(removed, taught.total(), len(taught))


def _key(keys: bytes, at: int) -> FdbKey:
    return FdbKey.from_buffer_copy(keys, at * _KEY.size)


def _only(member: Member) -> bytes:
    """Return the one remote of a bridge's tunnel, which may have had another one; empty for any."""
    remote = bytes(member.remote)
    return remote if any(remote) else b""


def expired(value: FdbValue, domain: Domain, now: int) -> bool:
    """Tell whether a learned entry has reached its segment's ageing."""
    return not value.flags & FDB_STATIC and domain.ageing > 0 and now - value.last_seen >= domain.ageing
