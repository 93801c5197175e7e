# SPDX-License-Identifier: Apache-2.0
"""The plan: what has to change to bring a host from what it is to what it should be, and why.

        desired HostState -----.
                                +--> plan() --> Change, Change, ...      nothing to do: no changes
        Actual (read back) ----'

Changes come in the order in which they are to be made: what goes, goes first, from the leaves up (static entries,
ports, segments, VTEP); what comes, comes from the root down. What stays the same is not touched, nor is its traffic.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vxnet.model import DOWN, FdbEntry, HostState, Port, Segment, Vtep

Value = Vtep | Segment | Port | FdbEntry
Kind = Literal["vtep", "segment", "port", "fdb"]


class Actual(msgspec.Struct, frozen=True):
    """What a host is.

    ``state`` holds what works. ``faults`` holds what is there but does not, and what is wrong with it: the plan makes
    it anew, or removes it.
    """

    state: HostState = DOWN
    faults: dict[Value, str] = {}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One step: ``value`` is what is made, or, for "remove", what goes; ``reason`` is for people."""

    action: Literal["add", "change", "remove"]
    kind: Kind
    name: str
    reason: str
    value: Value


def plan(desired: HostState, actual: Actual) -> tuple[Change, ...]:
    """Return the changes that lead from ``actual`` to ``desired``; empty when they agree."""
    now = actual.state
    if now.vtep and now.vtep != desired.vtep:
        reason = _difference(now.vtep, desired.vtep) if desired.vtep else "vxnet goes down"
        return (*_remove(actual, DOWN, desired, reason), *_add(desired, DOWN, actual))
    kept = _kept(now, desired)
    return (*_remove(actual, kept, desired, ""), *_add(desired, kept, actual))


def name_of(value: Value) -> str:
    """Return what names a value among those of its kind."""
    match value:
        case Vtep():
            return str(value.local)
        case Segment():
            return value.name
        case Port():
            return value.device
        case FdbEntry():
            return f"{value.segment} {value.mac}"


def kind_of(value: Value) -> Kind:
    """Return what sort of thing a value is."""
    match value:
        case Vtep():
            return "vtep"
        case Segment():
            return "segment"
        case Port():
            return "port"
        case FdbEntry():
            return "fdb"


def _kept(now: HostState, desired: HostState) -> HostState:
    """Return what of ``now`` stays in place, perhaps with other settings."""
    vnis = {segment.name: segment.vni for segment in desired.segments}
    segments = tuple(s for s in now.segments if vnis.get(s.name) == s.vni)
    names = {segment.name for segment in segments}
    wanted_ports, wanted_entries = frozenset(desired.ports), frozenset(desired.fdb)
    ports = tuple(p for p in now.ports if p in wanted_ports and p.segment in names)
    devices = {port.device for port in ports}
    fdb = tuple(
        e for e in now.fdb if e in wanted_entries and e.segment in names and (e.port is None or e.port in devices)
    )
    return HostState(vtep=now.vtep, segments=segments, ports=ports, fdb=fdb)


def _remove(actual: Actual, kept: HostState, desired: HostState, reason: str) -> list[Change]:
    now = actual.state
    stays, wanted = _all(kept), {(kind_of(value), name_of(value)) for value in _all(desired)}
    # A broken thing that is wanted is made anew over what is left of it; one that is not wanted goes.
    broken = [v for v in actual.faults if (kind_of(v), name_of(v)) not in wanted]
    leaves: tuple[Value, ...] = (*now.fdb, *now.ports, *now.segments)
    going = [value for value in leaves if value not in stays] + broken
    if now.vtep and not kept.vtep:
        going.append(now.vtep)
    going.sort(key=lambda value: _LEAVES_FIRST.index(type(value)))
    return [_change("remove", v, actual.faults.get(v) or reason or "no longer in the desired state") for v in going]


_LEAVES_FIRST: tuple[type[Value], ...] = (FdbEntry, Port, Segment, Vtep)


def _all(state: HostState) -> frozenset[Value]:
    vtep = (state.vtep,) if state.vtep else ()
    return frozenset((*vtep, *state.segments, *state.ports, *state.fdb))


def _add(desired: HostState, kept: HostState, actual: Actual) -> list[Change]:
    steps: list[Change] = []
    if desired.vtep and not kept.vtep:
        steps.append(_change("add", desired.vtep, _why_new(desired.vtep, actual)))
    settings = {segment.name: segment for segment in kept.segments}
    for segment in desired.segments:
        old = settings.get(segment.name)
        if old is None:
            steps.append(_change("add", segment, _why_new(segment, actual)))
        elif old != segment:
            steps.append(_change("change", segment, _difference(old, segment)))
    stays = _all(kept)
    leaves: tuple[Value, ...] = (*desired.ports, *desired.fdb)
    steps += [_change("add", v, _why_new(v, actual)) for v in leaves if v not in stays]
    return steps


def _change(action: Literal["add", "change", "remove"], value: Value, reason: str) -> Change:
    return Change(action=action, kind=kind_of(value), name=name_of(value), reason=reason, value=value)


def _why_new(value: Value, actual: Actual) -> str:
    """Say why something has to be made: it is broken, it was something else before, or it is new."""
    kind, name = kind_of(value), name_of(value)
    for broken, fault in actual.faults.items():
        if (kind_of(broken), name_of(broken)) == (kind, name):
            return fault
    now = actual.state
    before: dict[Kind, tuple[Value, ...]] = {
        "vtep": (now.vtep,) if now.vtep else (),
        "segment": now.segments,
        "port": now.ports,
        "fdb": now.fdb,
    }
    old = next((v for v in before[kind] if name_of(v) == name), None)
    if old is None:
        return "not on this host yet"
    return _difference(old, value) or "what it belongs to is made anew"


def _difference(old: Value, new: Value) -> str:
    """Say which fields differ: ``ageing: 300 -> 60``."""
    return ", ".join(
        f"{field}: {_text(getattr(old, field))} -> {_text(getattr(new, field))}"
        for field in new.__struct_fields__
        if getattr(old, field) != getattr(new, field)
    )


def _text(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case bool():
            return "on" if value else "off"
        case tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)
