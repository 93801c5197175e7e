# SPDX-License-Identifier: Apache-2.0
"""How large the maps are: as large as what is asked for, and larger when that is not enough.

A map's size is fixed when it is made, and is paid for then. So it starts small, and grows under traffic:

    1. the programs are loaded once more, over larger maps in the place of those that are full, and over the others
    2. what is in the old maps is copied
    3. each device gets the new program in the place of the old one, in one step: no packet meets none
    4. what the old programs have counted meanwhile is added

What they have learned meanwhile is learned again. Between 2 and 4 nothing is changed in the maps by us: who is killed
there leaves devices over both, which say the same, and the next daemon puts all of them over either.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from vxnet.datapath import vtep
from vxnet.datapath.kernel import load
from vxnet.datapath.layout import COUNTS, Traffic
from vxnet.datapath.libbpf.loading import close
from vxnet.errors import KernelError
from vxnet.model import Bfd, Bridge, FdbEntry, Neighbour, Port, Segment, Tunnel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vxnet.datapath.maps import CounterMap
    from vxnet.datapath.parts import Parts
    from vxnet.datapath.slots import Slots
    from vxnet.plan import Change

MOST: Final = 1 << 24
"""Elements beyond which no map grows: as many as there are VNIs."""

MOST_LEARNED: Final = 1 << 20
"""Elements beyond which the FDB does not grow for what others teach. For static entries it does."""

_ALIKE: Final = {"domains": ("domains", "moves"), "members": ("members", "traffic")}
"""The arrays, by which others are as long: they are asked by the same slot."""

_COUNTERS: Final = "traffic"

_SURGE: Final = 8


def needed(slots: Slots | None, changes: Iterable[Change]) -> dict[str, int]:
    """Return how many elements the maps are to have room for, so that these changes can be made; rather more."""
    coming = [change.value for change in changes if change.action != "remove"]
    kinds = Counter(map(type, coming))
    domains = kinds[Segment] + kinds[Bridge] + (len(slots.domains) if slots else 0)
    members = kinds[Segment] + kinds[Tunnel] + kinds[Port] + kinds[Bfd] + (len(slots.members) if slots else 0)
    lists = [domain.flood_count for domain in slots.domains.values()] if slots else []
    lists += (max(len(value.remotes), 1) for value in coming if isinstance(value, Segment))
    places = sum(lists) + kinds[Tunnel] + kinds[Port]
    # Slot 0 is nobody's; a segment has up to two arrivals, and a flood list is written beside the one in force: those
    # of segments that change are counted twice here, and of a port's segment it may be the longest.
    return {
        "domains": domains + 1,
        "members": members + 1,
        "ports": kinds[Port],
        "arrivals": 2 * members,
        "flood": places + max(lists, default=0),
        "fdb": 2 * kinds[FdbEntry],
        "neighbours": 2 * kinds[Neighbour],
    }


def sizes(wanted: Mapping[str, int], have: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return the maps that are too small for what is wanted, and how many elements they are to hold.

    An array, all of which is paid for, gets an eighth more than that at most, but at least half as much again as it
    has: each time takes all devices. A hash table gets the next power of two.

    KernelError if one would be larger than any can be.
    """
    have = have or {}
    larger: dict[str, int] = {}
    for name, elements in wanted.items():
        if elements > MOST:
            message = f"eBPF map {name} holds {MOST} elements at most; {elements} are asked for"
            raise KernelError(message)
        if elements > have.get(name, 0):
            larger |= dict.fromkeys(_ALIKE.get(name, (name,)), _size(name, elements, have.get(name, 0)))
    return larger


def _size(name: str, elements: int, have: int) -> int:
    if name not in _ALIKE:
        return 1 << (elements - 1).bit_length()
    elements = min(max(elements, have + have // 2), MOST)
    step = 1 << max((elements - 1).bit_length() - 4, 0)
    return -(-elements // step) * step


def make_for_learned(parts: Parts, there: Mapping[str, int]) -> None:
    """See that maps are not more than half full of what programs write, of which so many elements are ``there``.

    What is too small gets much larger, up to `MOST_LEARNED`: more may come before the next look than came before this
    one. KernelError if there is no memory: all is as it was.
    """
    small = {name: count for name, count in there.items() if 2 * count > parts.maps.capacity(name)}
    make(parts, {name: min(_SURGE * count, MOST_LEARNED) for name, count in small.items()})


def make(parts: Parts, wanted: Mapping[str, int]) -> None:
    """See that the maps have room for so many elements. KernelError if there is no memory: all is as it was."""
    maps = parts.maps
    larger = sizes(wanted, {name: maps.capacity(name) for name in wanted})
    if not larger:
        return
    loaded = load(maps, larger)
    try:
        for name in larger:
            maps.copy(name, loaded.maps[name])
    except BaseException:
        close(loaded)
        raise
    with maps.traffic.kept() as old:
        before = old.all()
        parts.adopt(loaded, larger)
        vtep.replace_programs(parts)
        if _COUNTERS in larger:
            _add_counted(maps.traffic, before, old.all())


def _add_counted(
    traffic: CounterMap[Traffic], before: dict[int, list[Traffic]], after: dict[int, list[Traffic]]
) -> None:
    """Add what was counted between two looks. What is counted in this very moment may be lost."""
    for index, values in after.items():
        was = before.get(index) or [Traffic() for _ in values]
        if [*map(bytes, values)] == [*map(bytes, was)]:
            continue
        now = traffic.get(index)
        for cpu, new in enumerate(now):
            for field in COUNTS:
                more = getattr(values[cpu], field) - getattr(was[cpu], field)
                setattr(new, field, getattr(new, field) + more)
        traffic.put(index, now)
