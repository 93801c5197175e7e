# SPDX-License-Identifier: Apache-2.0
"""The plan, for any two states: carried out step by step on a model of a host it arrives, and each step is possible."""

from __future__ import annotations

from ipaddress import IPv4Address

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from vxnet.model import DOWN, Bfd, Bridge, FdbEntry, HostState, Neighbour, Port, Probe, Segment, Source, Tunnel, Vtep
from vxnet.plan import Actual, Change, Value, kind_of, name_of, plan

ADDRESSES = tuple(map(IPv4Address, ("192.168.146.131", "192.168.146.132", "192.168.146.136")))
GROUP = IPv4Address("239.1.1.1")
NAMES, DEVICES, MACS = ("blue", "red", "green"), ("tap-a", "tap-b", "tap-c"), ("02:00:00:00:00:01", "02:00:00:00:00:02")
SOURCES = (None, (), (Source(MACS[0]), Source(MACS[1], "10.0.0.1/32")))

_INTERVALS = st.sampled_from((300, 1000))


@st.composite
def states(draw: st.DrawFn) -> HostState:
    """Draw a state that a source may yield, out of few names, so that two of them have much in common."""
    if draw(st.integers(0, 9)) == 0:
        return DOWN
    vnis = draw(st.permutations([10, 20, 30]))
    segments = [
        Segment(
            name=name,
            vni=vni,
            remotes=draw(st.sampled_from(((), ADDRESSES[2:]))),
            group=draw(st.sampled_from((None, GROUP))),
            ageing=draw(st.sampled_from((300, 60))),
        )
        for name, vni in zip(NAMES, vnis, strict=True)
        if draw(st.booleans())
    ]
    names = [segment.name for segment in segments]
    devices = draw(st.lists(st.sampled_from(DEVICES), unique=True)) if names else []
    ports = [
        Port(device=device, segment=draw(st.sampled_from(names)), sources=draw(st.sampled_from(SOURCES)))
        for device in devices
    ]
    fdb = []
    for segment in names:
        places = [{"port": port.device} for port in ports if port.segment == segment] + [{"remote": ADDRESSES[2]}]
        fdb += [
            FdbEntry(segment=segment, mac=mac, **draw(st.sampled_from(places)))
            for mac in MACS
            if draw(st.integers(0, 2)) == 0
        ]
    neighbours = [
        Neighbour(segment=segment, address=address, mac=draw(st.sampled_from(MACS)))
        for segment in names
        for address in ("10.0.0.1", "fd00::1")
        if draw(st.booleans())
    ]
    bfd = st.builds(
        Bfd, vni=st.sampled_from((40, *set(range(10, 40, 10)) - {s.vni for s in segments})), min_tx=_INTERVALS
    )
    vtep = Vtep(local=draw(st.sampled_from(ADDRESSES[:2])), dstport=draw(st.sampled_from((4789, 4789, 4789, 8472))))
    return HostState(
        vtep=vtep,
        bfd=draw(st.none() | bfd),
        probe=draw(st.none() | st.builds(Probe, interval=_INTERVALS)),
        segments=tuple(segments),
        ports=tuple(ports),
        fdb=tuple(fdb),
        neighbours=tuple(neighbours),
    )


def values_of(state: HostState) -> list[Value]:
    """Return all there is in a state."""
    roots = [value for value in (state.vtep, state.bfd, state.probe) if value]
    return [*roots, *state.segments, *state.ports, *state.fdb, *state.neighbours]


def state_of(values: list[Value]) -> HostState:
    """Put values together to a state."""
    return HostState(
        vtep=next((v for v in values if isinstance(v, Vtep)), None),
        bfd=next((v for v in values if isinstance(v, Bfd)), None),
        probe=next((v for v in values if isinstance(v, Probe)), None),
        segments=tuple(v for v in values if isinstance(v, Segment)),
        ports=tuple(v for v in values if isinstance(v, Port)),
        fdb=tuple(v for v in values if isinstance(v, FdbEntry)),
        neighbours=tuple(v for v in values if isinstance(v, Neighbour)),
    )


@st.composite
def actuals(draw: st.DrawFn) -> Actual:
    """Draw what a host is: any state, of which any part may be broken."""
    values = values_of(draw(states()))
    able = [value for value in values if not isinstance(value, Neighbour | Probe)]
    broken = [value for value in able if draw(st.integers(0, 4)) == 0]
    ports = {value.device for value in broken if isinstance(value, Port)}
    broken += [value for value in values if isinstance(value, FdbEntry) and value.port in ports and value not in broken]
    faults: dict[Value, str] = dict.fromkeys(broken, "it is broken")
    return Actual(state_of([value for value in values if value not in faults]), faults)


def carry_out(changes: tuple[Change, ...], actual: Actual) -> HostState:
    """Make the changes on a model of a host that holds to what the kernel needs, and return what comes of it."""
    there: dict[tuple[str, str], Value] = {(kind_of(v), name_of(v)): v for v in values_of(actual.asked_for())}
    there |= {(kind_of(v), name_of(v)): v for v in actual.faults}
    for change in changes:
        key = (change.kind, change.name)
        assert change.reason
        assert key == (kind_of(change.value), name_of(change.value))
        match change.action:
            case "remove":
                assert there.pop(key) == change.value, "only what is there can go"
                assert not [v for v in there.values() if hangs_on(v, change.value)], "nothing may be left hanging"
            case "change":
                assert key in there
                assert there[key] not in actual.faults
                there[key] = change.value
            case "add":
                assert key not in there or there[key] in actual.faults, "only what is broken is made over itself"
                assert isinstance(change.value, Vtep) or stands(change.value, list(there.values()))
                there[key] = change.value
        vnis = [v.vni for v in there.values() if isinstance(v, Segment | Bfd)]
        assert len(vnis) == len(set(vnis)), "no two share a VNI at any moment"
        assert len([v for v in there.values() if isinstance(v, Vtep)]) <= 1
    return state_of(list(there.values()))


def hangs_on(value: Value, gone: Value) -> bool:
    """Tell whether ``value`` cannot be without ``gone``."""
    match value, gone:
        case _, Vtep():
            return not isinstance(value, Vtep)
        case ((Port() | FdbEntry() | Neighbour()), (Segment() | Bridge())):
            return value.segment == gone.name
        case Tunnel(), Bridge():
            return value.bridge == gone.name
        case FdbEntry(), Port():
            return value.port == gone.device
        case _:
            return False


def stands(value: Value, there: list[Value]) -> bool:
    """Tell whether what ``value`` hangs on is there."""
    names = {v.name for v in there if isinstance(v, Segment | Bridge)}
    match value:
        case Vtep() | Bridge():
            return True
        case Tunnel():
            return value.bridge in names
        case Segment() | Bfd() | Probe():
            return any(isinstance(v, Vtep) for v in there)
        case Port() | Neighbour():
            return value.segment in names
        case FdbEntry():
            devices = {v.device for v in there if isinstance(v, Port) and v.segment == value.segment}
            return value.segment in names and (value.port is None or value.port in devices)


def as_sets(state: HostState) -> tuple[Vtep | None, frozenset[Value]]:
    """Return a state without its order."""
    return state.vtep, frozenset(values_of(state))


@given(states(), actuals())
def test_the_plan_arrives(desired: HostState, actual: Actual) -> None:
    """Whatever a host is, broken or not, its plan leads step by possible step to what it should be."""
    assert as_sets(carry_out(plan(desired, actual), actual)) == as_sets(desired)


@given(states())
def test_equal_states_need_no_plan(state: HostState) -> None:
    """A state leads to itself without a change."""
    assert plan(state, Actual(state)) == ()


@given(states(), states())
def test_what_stays_is_not_touched(desired: HostState, now: HostState) -> None:
    """Between two working states, what neither changes nor hangs on something that does is in no change."""
    touched = {change.value for change in plan(desired, Actual(now))}
    kept_vnis = {(s.name, s.vni) for s in now.segments} & {(s.name, s.vni) for s in desired.segments}
    names = {name for name, _ in kept_vnis}
    if now.vtep != desired.vtep:
        return
    for port in set(now.ports) & set(desired.ports):
        assert (port in touched) == (port.segment not in names)
    for segment in set(now.segments) & set(desired.segments):
        assert segment not in touched


@given(actuals())
def test_what_was_asked_for_is_kept(actual: Actual) -> None:
    """A daemon that adopts a host and repairs it removes nothing that was asked for, whatever is broken."""
    assert [change for change in plan(actual.asked_for(), actual) if change.action == "remove"] == []


def test_struct_fields_reach_the_reason() -> None:
    """Every field of every value is compared: a new one cannot be forgotten."""
    value = Segment(name="blue", vni=1)
    others = {"name": "blue", "vni": 1, "remotes": ADDRESSES[:1], "group": GROUP, "ageing": 1, "learning": False}
    others |= {"maxaddress": 1, "senders": ("10.0.0.0/8",), "ttl": 1, "tos": 16, "df": False, "csum": True}
    others |= {"inner_vlan": True, "max_moves": 1, "storm_control": 1, "storm_control_total": 1}
    others |= {"flood_to_dead": False, "dead": ADDRESSES[:1]}
    assert others.keys() == {field.name for field in msgspec.structs.fields(Segment)}
    now = HostState(vtep=Vtep(local=ADDRESSES[0]), segments=(value,))
    for field in others.keys() - {"name", "vni", "inner_vlan"}:  # what changes these makes it anew
        changed = msgspec.structs.replace(value, **{field: others[field]})
        (change,) = plan(msgspec.structs.replace(now, segments=(changed,)), Actual(now))
        assert change.reason.startswith(f"{field}: ")
