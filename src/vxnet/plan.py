# SPDX-License-Identifier: Apache-2.0
"""The plan: what has to change to bring a host from what it is to what it should be, and why.

        desired HostState -----.
                                +--> plan() --> Change, Change, ...      nothing to do: no changes
        Actual (read back) ----'

Changes come in the order in which they are to be made: what goes, goes first, from the leaves up (static entries
and neighbours, ports, tunnels, bridges, segments, BFD, probes, VTEP); what comes, comes from the root down. What stays
the same is not touched, nor is its traffic; what changes is changed in its place where that can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from vxnet.model import DOWN, Bfd, Bridge, FdbEntry, HostState, Neighbour, Port, Probe, Segment, Tunnel, Vlans, Vtep

if TYPE_CHECKING:
    from collections.abc import Iterable

Value = Vtep | Bfd | Probe | Segment | Bridge | Tunnel | Port | FdbEntry | Neighbour
Kind = Literal["vtep", "bfd", "probe", "segment", "bridge", "tunnel", "port", "fdb", "neighbour"]


class Actual(msgspec.Struct, frozen=True):
    """What a host is.

    ``state`` holds what works. ``faults`` holds what is there but does not, and what is wrong with it: the plan makes
    it anew, or removes it. A static entry at a broken port is broken too.
    """

    state: HostState = DOWN
    faults: dict[Value, str] = {}

    def asked_for(self) -> HostState:
        """Return what this host was asked to be, whether it works or not."""
        state, broken = self.state, tuple(self.faults)
        segments = (*state.segments, *(v for v in broken if isinstance(v, Segment)))
        bridges = (*state.bridges, *(v for v in broken if isinstance(v, Bridge)))
        names = {segment.name for segment in segments} | {bridge.name for bridge in bridges}
        ports = (*state.ports, *(v for v in broken if isinstance(v, Port) and v.segment in names))
        return HostState(
            vtep=_standing(self),
            bfd=state.bfd or next((value for value in broken if isinstance(value, Bfd)), None),
            probe=state.probe,
            segments=segments,
            bridges=bridges,
            tunnels=(*state.tunnels, *(v for v in broken if isinstance(v, Tunnel) and v.bridge in names)),
            ports=ports,
            fdb=(*state.fdb, *(v for v in broken if isinstance(v, FdbEntry))),
            neighbours=state.neighbours,
        )


class Change(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One step: ``value`` is what is made, or, for "remove", what goes; ``reason`` is for people."""

    action: Literal["add", "change", "remove"]
    kind: Kind
    name: str
    reason: str
    value: Value

    def __str__(self) -> str:
        """Return the line that logs have of it."""
        return f"{self.action} {self.kind} {self.name}: {self.reason}"


def plan(desired: HostState, actual: Actual) -> tuple[Change, ...]:
    """Return the changes that lead from ``actual`` to ``desired``; empty when they agree."""
    desired = _with_what_is_left_open(desired, actual)
    standing = _standing(actual)
    if standing and standing != desired.vtep:
        reason = _difference(standing, desired.vtep) if desired.vtep else "vxnet goes down"
        return (*_remove(actual, DOWN, DOWN, reason), *_add(desired, DOWN, actual))
    kept = _kept(actual, desired)
    return (*_remove(actual, kept, desired), *_add(desired, kept, actual))


def _with_what_is_left_open(desired: HostState, actual: Actual) -> HostState:
    """Return ``desired`` with the MACs and MTUs that ports of bridges have and nobody asks to be others.

    What may leave a port, and who may send to a segment, is put in the order in which it is read back.
    Those of a device that is in another network namespace are out of sight: nothing is asked of them.
    """
    there = {port.device: port for port in (*actual.state.ports, *actual.faults) if isinstance(port, Port)}

    def filled(port: Port) -> Port:
        if port.sources:
            port = msgspec.structs.replace(port, sources=tuple(sorted(set(port.sources))))
        old = there.get(port.device)
        if old is None:
            return port
        mac = old.mac and (port.mac or old.mac)
        return msgspec.structs.replace(port, mac=mac, mtu=old.mtu and (port.mtu or old.mtu))

    return msgspec.structs.replace(
        desired, segments=tuple(map(_in_order, desired.segments)), ports=tuple(map(filled, desired.ports))
    )


def _in_order(segment: Segment) -> Segment:
    senders = segment.senders and tuple(sorted(set(segment.senders)))
    return segment if senders == segment.senders else msgspec.structs.replace(segment, senders=senders)


def name_of(value: Value) -> str:
    """Return what names a value among those of its kind."""
    match value:
        case Vtep():
            return str(value.local)
        case Bfd():
            return f"vni {value.vni}"
        case Probe():
            return "icmp"
        case Segment() | Bridge() | Tunnel():
            return value.name
        case Port():
            return value.device
        case FdbEntry(segment=segment, mac=what) | Neighbour(segment=segment, address=what):
            return f"{segment} {what}"


def kind_of(value: Value) -> Kind:
    """Return what sort of thing a value is."""
    return _KINDS[type(value)]


_KINDS: dict[type[Value], Kind] = {
    Vtep: "vtep",
    Bfd: "bfd",
    Probe: "probe",
    Segment: "segment",
    Bridge: "bridge",
    Tunnel: "tunnel",
    Port: "port",
    FdbEntry: "fdb",
    Neighbour: "neighbour",
}


def _standing(actual: Actual) -> Vtep | None:
    """Return the VTEP that is there, whether it works or not."""
    return actual.state.vtep or next((value for value in actual.faults if isinstance(value, Vtep)), None)


def _kept(actual: Actual, desired: HostState) -> HostState:
    """Return what works now and stays in place, perhaps with other settings."""
    now, names, wanted = actual.state, _staying(actual, desired), _by_key(_all(desired))
    segments = tuple(segment for segment in now.segments if segment.name in names)
    bridges = tuple(bridge for bridge in now.bridges if bridge.name in names)
    tunnels = tuple(t for t in now.tunnels if t.bridge in names and _in_place(t, wanted.get(_key(t))))
    ports = tuple(p for p in now.ports if p.segment in names and _in_place(p, wanted.get(_key(p))))
    devices = {port.device for port in ports}
    entries = frozenset(desired.fdb)
    fdb = tuple(e for e in now.fdb if e in entries and e.segment in names and (e.port is None or e.port in devices))
    neighbours = tuple(n for n in now.neighbours if n.segment in names and _in_place(n, wanted.get(_key(n))))
    return HostState(
        vtep=now.vtep,
        bfd=now.bfd if now.bfd and _in_place(now.bfd, desired.bfd) else None,
        probe=now.probe and desired.probe and now.probe,
        segments=segments,
        bridges=bridges,
        tunnels=tunnels,
        ports=ports,
        fdb=fdb,
        neighbours=neighbours,
    )


def _staying(actual: Actual, desired: HostState) -> frozenset[str]:
    """Return the names of the segments and bridges that stay; a broken one is made anew around what belongs to it."""
    wanted = _by_key((*desired.segments, *desired.bridges))
    there = (*actual.state.segments, *actual.state.bridges, *actual.faults)
    domains = (value for value in there if isinstance(value, Segment | Bridge))
    return frozenset(domain.name for domain in domains if _in_place(domain, wanted.get(_key(domain))))


def _in_place(old: Value, new: Value | None) -> bool:
    """Tell whether ``old`` can become ``new`` without being taken away."""
    match old, new:
        case Segment(), Segment():
            return (old.vni, old.inner_vlan) == (new.vni, new.inner_vlan)
        case Bfd(), Bfd():
            return old.vni == new.vni
        case Tunnel(), Tunnel():
            return old.bridge == new.bridge
        case Port(), Port():
            return old.segment == new.segment and old.internal == new.internal
        case ((Bridge() | Neighbour() | Probe()), (Bridge() | Neighbour() | Probe())):
            return _key(old) == _key(new)
        case _:
            return old == new


def _remove(actual: Actual, kept: HostState, desired: HostState, reason: str = "") -> list[Change]:
    """Return what goes, the leaves first; ``reason`` if all of it goes for one."""
    stays, wanted, staying = frozenset(_all(kept)), _by_key(_all(desired)), _staying(actual, desired)
    going: list[Value] = [value for value in _all(actual.state) if value not in stays and not isinstance(value, Vtep)]
    if actual.state.vtep and not desired.vtep:
        going.append(actual.state.vtep)
    # A broken thing that is wanted is made anew over what is left of it; one that is not wanted goes.
    going += [broken for broken in actual.faults if not _repairable(broken, wanted.get(_key(broken)), staying)]
    going.sort(key=lambda value: _LEAVES_FIRST.index(type(value)))

    def why(value: Value) -> str:
        new = wanted.get(_key(value))
        change = (_difference(value, new) or _FOLLOWS) if new else "no longer in the desired state"
        return actual.faults.get(value) or reason or change

    return [_change("remove", value, why(value)) for value in going]


_FOLLOWS = "what it belongs to is made anew"

_LEAVES_FIRST: tuple[type[Value], ...] = (FdbEntry, Neighbour, Port, Tunnel, Bridge, Segment, Bfd, Probe, Vtep)


def _repairable(broken: Value, wanted: Value | None, staying: frozenset[str]) -> bool:
    """Tell whether making ``wanted`` over what is left of ``broken`` leaves nothing of the latter behind."""
    match broken, wanted:
        case ((Segment() | Bridge()), _):
            return broken.name in staying
        case FdbEntry(), FdbEntry():
            # One that points elsewhere goes first: the port it points to may be about to go.
            return broken.segment in staying and (broken == wanted or broken.port is None)
        case Port(), _:
            return broken.segment in staying and _in_place(broken, wanted)
        case Tunnel(), _:
            return broken.bridge in staying and _in_place(broken, wanted)
        case _:
            return broken == wanted


def _add(desired: HostState, kept: HostState, actual: Actual) -> list[Change]:
    """Return what comes or changes, the root first."""
    before, stays = _by_key((*_all(actual.state), *actual.faults)), frozenset(_all(kept))
    in_place = _by_key(stays)

    def step(new: Value) -> Change:
        old = before.get(_key(new))
        if old is None:
            return _change("add", new, "not on this host yet")
        reasons = filter(None, (actual.faults.get(old), _difference(old, new)))
        return _change("change" if _key(new) in in_place else "add", new, "; ".join(reasons) or _FOLLOWS)

    return [step(value) for value in _all(desired) if value not in stays]


def _all(state: HostState) -> tuple[Value, ...]:
    """Return all there is, the root first."""
    single: tuple[Value | None, ...] = (state.vtep, state.bfd, state.probe)
    there = (value for value in single if value is not None)
    return (*there, *state.segments, *state.bridges, *state.tunnels, *state.ports, *state.fdb, *state.neighbours)


def _by_key(values: Iterable[Value]) -> dict[tuple[Kind, str], Value]:
    return {_key(value): value for value in values}


def _key(value: Value) -> tuple[Kind, str]:
    """Return what two values share if one takes the other's place. VTEP, BFD and probes: whatever their settings."""
    return (kind_of(value), "" if isinstance(value, Vtep | Bfd | Probe) else name_of(value))


def _change(action: Literal["add", "change", "remove"], value: Value, reason: str) -> Change:
    return Change(action=action, kind=kind_of(value), name=name_of(value), reason=reason, value=value)


def _difference(old: Value, new: Value) -> str:
    """Say which fields differ: ``ageing: 300 -> 60``."""
    return ", ".join(
        f"{field}: {_text(field, getattr(old, field))} -> {_text(field, getattr(new, field))}"
        for field in new.__struct_fields__
        if getattr(old, field) != getattr(new, field)
    )


def _text(field: str, value: object) -> str:
    match value:
        case None | ():
            return "any" if value is None and field in {"sources", "senders"} else "none"
        case bool():
            return "on" if value else "off"
        case tuple():
            return (", " if field == "sources" else " ").join(map(str, value))
        case Vlans():
            return " ".join(filter(None, (value.mode, str(value.tag or ""), ",".join(map(str, value.trunks)))))
        case _:
            return str(value)
