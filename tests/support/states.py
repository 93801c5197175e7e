# SPDX-License-Identifier: Apache-2.0
"""Random desired states of the board's host."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from hypothesis import strategies as st

from tests.support.board import LOCAL, LOCAL6, PORTS, REMOTES
from tests.support.tenant_frames import KNOWN, ipv4_address, ipv6_address, mac
from tests.support.underlay_packets import AS_IPV6, GROUPS, VNIS
from tests.support.weights import mostly, weighted
from vxnet.model import FdbEntry, HostState, Neighbour, Port, Segment, Source, Vtep

if TYPE_CHECKING:
    from vxnet.model import IPAddress

SEGMENTS = 3

Flood = dict[str, Any]
"""What a segment says of flooding, by `Segment`'s fields."""


def _to_remotes(remotes: list[IPv4Address]) -> Flood:
    return {"remotes": tuple(remotes)}


def _to_living(remotes: list[IPv4Address]) -> Flood:
    """All but the first of these are flooded to."""
    return {"remotes": tuple(remotes), "flood_to_dead": False, "dead": tuple(remotes[:1])}


def _to_group(group: IPv4Address) -> Flood:
    return {"group": group}


def _to_nobody() -> Flood:
    return {}


_FLOODS = weighted(
    (4, st.lists(st.sampled_from(REMOTES), min_size=1, unique=True).map(_to_remotes)),
    (1, st.lists(st.sampled_from(REMOTES), min_size=1, unique=True).map(_to_living)),
    (3, st.sampled_from(GROUPS).map(_to_group)),
    (1, st.builds(_to_nobody)),
)


Allowed = tuple[tuple[int, int], ...]
"""A secured port's sources: a machine's MAC, and which of `_PREFIXES`."""

_PREFIXES = (
    "",
    *(f"{ipv4_address(number)}/32" for number in range(3)),
    *(f"{ipv6_address(number)}/128" for number in range(3)),
    "10.0.0.0/30",
    "0.0.0.0/0",
    "fd00::/126",
    "::/0",
)


Family = Literal["ipv4", "ipv6", "both"]
"""Of the underlay."""

_IN_IPV6: dict[Family, frozenset[IPAddress]] = {
    "ipv4": frozenset(),
    "ipv6": frozenset((*REMOTES, *GROUPS)),
    "both": frozenset((REMOTES[1], GROUPS[1])),
}
"""Those remotes and groups for which those of `AS_IPV6` stand."""


def is_ipv6(family: Family, address: IPAddress) -> bool:
    """Tell whether an underlay of this family has the address of `AS_IPV6` in the place of this one."""
    return address in _IN_IPV6[family]


def _of_family(family: Family, address: IPAddress) -> IPAddress:
    return AS_IPV6[address] if isinstance(address, IPv4Address) and is_ipv6(family, address) else address


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """A host state as it is drawn: ports hold the number of their segment, static entries the numbers of all they name.

    Both are passed over where there is no such thing in the end, so any two parts fit together.
    """

    segments: tuple[Segment | None, ...]
    ports: tuple[int, ...]
    fdb: tuple[tuple[int, int, int], ...]
    dstport: int
    neighbours: tuple[tuple[int, int, int, bool], ...] = ()
    """Of a segment, a machine's address (IPv6: True), and at whose MAC it is."""
    sources: tuple[Allowed | None, ...] = (None,) * len(PORTS)
    """What may leave each port."""
    family: Family = "ipv4"

    @property
    def attached(self) -> tuple[str, ...]:
        """The devices that are ports."""
        there = {number for number, segment in enumerate(self.segments) if segment}
        return tuple(device for device, number in zip(PORTS, self.ports, strict=True) if number in there)

    @property
    def vnis(self) -> tuple[int, ...]:
        """The VNIs of its segments."""
        return tuple(segment.vni for segment in self.segments if segment)

    @property
    def _allowed(self) -> dict[str, Allowed | None]:
        return dict(zip(PORTS, self.sources, strict=True))

    def state(self, example: int) -> HostState:
        """Return the state, with the names and MACs of this example."""
        there = {
            number: msgspec.structs.replace(
                segment,
                name=f"{segment.name}-{example}",
                remotes=tuple(_of_family(self.family, remote) for remote in segment.remotes),
                dead=tuple(_of_family(self.family, remote) for remote in segment.dead),
                group=_of_family(self.family, segment.group) if segment.group else None,
            )
            for number, segment in enumerate(self.segments)
            if segment
        }
        at = {device: number for device, number in zip(PORTS, self.ports, strict=True) if number in there}
        return HostState(
            vtep=Vtep(
                local=LOCAL6 if self.family == "ipv6" else LOCAL,
                local6=LOCAL6 if self.family == "both" else None,
                dstport=self.dstport,
            ),
            segments=tuple(there.values()),
            ports=tuple(
                Port(device=device, segment=there[number].name, sources=_sources(example, self._allowed[device]))
                for device, number in at.items()
            ),
            fdb=tuple(_static(example, there, at, self)),
            neighbours=tuple(_neighbours(example, there, self.neighbours)),
        )


def _static(example: int, segments: dict[int, Segment], at: dict[str, int], sketch: Sketch) -> list[FdbEntry]:
    entries: dict[tuple[int, int], FdbEntry] = {}
    for number, machine, place in sketch.fdb:
        if number not in segments or (number, machine) in entries:
            continue
        name, its_mac = segments[number].name, mac(example, machine)
        if place >= len(PORTS):
            remote = _of_family(sketch.family, REMOTES[place - len(PORTS)])
            entries[number, machine] = FdbEntry(segment=name, mac=its_mac, remote=remote)
        elif at.get(PORTS[place]) == number:
            entries[number, machine] = FdbEntry(segment=name, mac=its_mac, port=PORTS[place])
    return list(entries.values())


def _neighbours(
    example: int, segments: dict[int, Segment], drawn: tuple[tuple[int, int, int, bool], ...]
) -> list[Neighbour]:
    entries: dict[tuple[str, str], Neighbour] = {}
    for number, whose, machine, is_ipv6 in drawn:
        if number in segments:
            name, address = segments[number].name, str((ipv6_address if is_ipv6 else ipv4_address)(whose))
            entries[name, address] = Neighbour(segment=name, address=address, mac=mac(example, machine))
    return list(entries.values())


def _sources(example: int, allowed: Allowed | None) -> tuple[Source, ...] | None:
    return None if allowed is None else tuple(Source(mac(example, one), _PREFIXES[which]) for one, which in allowed)


_SENDERS = mostly(
    3,
    (None,),
    (
        (),
        (f"{REMOTES[0]}/32", f"{AS_IPV6[REMOTES[0]]}/128"),
        ("192.168.146.0/24", "fd00:92::/64"),
        ("0.0.0.0/0",),
        ("::/0",),
    ),
)


_PLAIN: dict[str, Any] = {}
_HEADERS = mostly(
    6,
    (_PLAIN,),
    (
        {"ttl": 0},
        {"tos": None},
        {"ttl": 3, "tos": 0xB8},
        {"df": False},
        {"csum": True},
        {"ttl": 0, "tos": None, "csum": True},
    ),
)
"""Options of the outer header."""


@st.composite
def _segment(draw: st.DrawFn, number: int) -> Segment:
    return Segment(
        name=f"s{number}",
        vni=VNIS[number],
        ageing=draw(mostly(3, (300, 60), (0,))),
        learning=draw(mostly(7, (True,), (False,))),
        maxaddress=draw(mostly(3, (16384,), (1, 2))),
        max_moves=draw(mostly(3, (5,), (0, 1, 2))),
        senders=draw(_SENDERS),
        inner_vlan=draw(mostly(3, (False,), (True,))),
        **draw(_HEADERS),
        **draw(_FLOODS),
    )


_PLACES = mostly(6, range(SEGMENTS), (-1,))
_STATIC = st.tuples(
    st.integers(0, SEGMENTS - 1), st.integers(0, KNOWN - 1), st.integers(0, len(PORTS) + len(REMOTES) - 1)
)


_NEIGHBOURS = st.lists(
    st.tuples(st.integers(0, SEGMENTS - 1), st.integers(0, KNOWN - 1), st.integers(0, KNOWN - 1), st.booleans()),
    max_size=6,
).map(tuple)
_ALLOWED = weighted(
    (2, st.none()),
    (1, st.lists(st.tuples(st.integers(0, KNOWN - 1), st.integers(0, len(_PREFIXES) - 1)), max_size=8).map(tuple)),
)


_FAMILIES = st.sampled_from(tuple(_IN_IPV6))


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
        neighbours=draw(_NEIGHBOURS),
        sources=tuple(draw(_ALLOWED) for _ in PORTS),
        family=draw(_FAMILIES),
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
    neighbours = draw(st.one_of(st.just(old.neighbours), _NEIGHBOURS))
    sources = tuple(draw(_ALLOWED) if draw(st.booleans()) else allowed for allowed in old.sources)
    return Sketch(
        segments=tuple(segments),
        ports=ports,
        fdb=fdb,
        dstport=dstport,
        neighbours=neighbours,
        sources=sources,
        family=draw(mostly(5, (old.family,), tuple(_IN_IPV6))),
    )
