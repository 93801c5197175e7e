# SPDX-License-Identifier: Apache-2.0
"""Random desired states of the board's host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st

from tests.support.board import LOCAL, PORTS, REMOTES
from tests.support.tenant_frames import KNOWN, mac
from tests.support.underlay_packets import GROUPS, VNIS
from tests.support.weights import mostly, weighted
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from ipaddress import IPv4Address

SEGMENTS = 3

Flood = dict[str, Any]
"""What a segment says of flooding, by `Segment`'s fields."""


def _to_remotes(remotes: list[IPv4Address]) -> Flood:
    return {"remotes": tuple(remotes)}


def _to_group(group: IPv4Address) -> Flood:
    return {"group": group}


def _to_nobody() -> Flood:
    return {}


_FLOODS = weighted(
    (4, st.lists(st.sampled_from(REMOTES), min_size=1, unique=True).map(_to_remotes)),
    (3, st.sampled_from(GROUPS).map(_to_group)),
    (1, st.builds(_to_nobody)),
)


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """A host state as it is drawn: ports hold the number of their segment, static entries the numbers of all they name.

    Both are passed over where there is no such thing in the end, so any two parts fit together.
    """

    segments: tuple[Segment | None, ...]
    ports: tuple[int, ...]
    fdb: tuple[tuple[int, int, int], ...]
    dstport: int

    @property
    def attached(self) -> tuple[str, ...]:
        """The devices that are ports."""
        there = {number for number, segment in enumerate(self.segments) if segment}
        return tuple(device for device, number in zip(PORTS, self.ports, strict=True) if number in there)

    @property
    def vnis(self) -> tuple[int, ...]:
        """The VNIs of its segments."""
        return tuple(segment.vni for segment in self.segments if segment)

    def state(self, example: int) -> HostState:
        """Return the state, with the names and MACs of this example."""
        there = {
            number: msgspec.structs.replace(segment, name=f"{segment.name}-{example}")
            for number, segment in enumerate(self.segments)
            if segment
        }
        at = {device: number for device, number in zip(PORTS, self.ports, strict=True) if number in there}
        return HostState(
            vtep=Vtep(local=LOCAL, dstport=self.dstport),
            segments=tuple(there.values()),
            ports=tuple(Port(device=device, segment=there[number].name) for device, number in at.items()),
            fdb=tuple(_static(example, there, at, self.fdb)),
        )


def _static(
    example: int, segments: dict[int, Segment], at: dict[str, int], drawn: tuple[tuple[int, int, int], ...]
) -> list[FdbEntry]:
    entries: dict[tuple[int, int], FdbEntry] = {}
    for number, machine, place in drawn:
        if number not in segments or (number, machine) in entries:
            continue
        name, its_mac = segments[number].name, mac(example, machine)
        if place >= len(PORTS):
            entries[number, machine] = FdbEntry(segment=name, mac=its_mac, remote=REMOTES[place - len(PORTS)])
        elif at.get(PORTS[place]) == number:
            entries[number, machine] = FdbEntry(segment=name, mac=its_mac, port=PORTS[place])
    return list(entries.values())


@st.composite
def _segment(draw: st.DrawFn, number: int) -> Segment:
    return Segment(
        name=f"s{number}",
        vni=VNIS[number],
        ageing=draw(mostly(3, (300, 60), (0,))),
        learning=draw(mostly(7, (True,), (False,))),
        maxaddress=draw(mostly(3, (16384,), (1, 2))),
        **draw(_FLOODS),
    )


_PLACES = mostly(6, range(SEGMENTS), (-1,))
_STATIC = st.tuples(
    st.integers(0, SEGMENTS - 1), st.integers(0, KNOWN - 1), st.integers(0, len(PORTS) + len(REMOTES) - 1)
)


@st.composite
def sketches(draw: st.DrawFn) -> Sketch:
    """Any state with a VTEP, its first segment always there."""
    segments: list[Segment | None] = [draw(_segment(0))]
    segments += [draw(_segment(number)) if draw(st.booleans()) else None for number in range(1, SEGMENTS)]
    return Sketch(
        segments=tuple(segments),
        ports=tuple(draw(st.tuples(st.just(0), *(_PLACES,) * (len(PORTS) - 1)))),
        fdb=tuple(draw(st.lists(_STATIC, max_size=3))),
        dstport=4789,
    )


@st.composite
def successors(draw: st.DrawFn, old: Sketch) -> Sketch:
    """A state that has something in common with ``old``: each part is kept, changed or taken away."""
    segments: list[Segment | None] = []
    for number, segment in enumerate(old.segments):
        fate = draw(st.sampled_from(("keep", "keep", "change", "toggle", "renumber")))
        match fate, segment:
            case "change", Segment():
                segments.append(draw(_segment(number)))
            case "toggle", None:
                segments.append(draw(_segment(number)))
            case "toggle", _ if number:
                segments.append(None)
            case "renumber", Segment() if segment.vni == VNIS[number]:
                segments.append(msgspec.structs.replace(segment, vni=VNIS[number] + 20))
            case _:
                segments.append(segment)
    ports = tuple(draw(_PLACES) if draw(st.sampled_from((0, 0, 1))) else place for place in old.ports)
    fdb = draw(st.one_of(st.just(old.fdb), st.lists(_STATIC, max_size=3).map(tuple)))
    dstport = draw(st.sampled_from((old.dstport,) * 9 + (8472,)))
    return Sketch(segments=tuple(segments), ports=ports, fdb=fdb, dstport=dstport)
