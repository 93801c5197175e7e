# SPDX-License-Identifier: Apache-2.0
"""What a HostState may say: the rules that every source's state obeys.

    problems(state)
      +-- each value by itself                   the tables of _values, the checks in values.py
      +-- values beside one another              one function a rule, listed in RULES

A problem is ``(field, what is wrong)``; fields are named as in the host file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, TypeVar

from vxnet.sources.tomlfile import nearest, quoted
from vxnet.sources.values import (
    ageing,
    detect_mult,
    device_name,
    group_address,
    interval,
    mac_address,
    max_moves,
    maxaddress,
    segment_name,
    storm_control,
    storm_control_of_port,
    udp_port,
    vni,
    vtep_address,
)

if TYPE_CHECKING:
    from vxnet.model import FdbEntry, HostState, IPAddress, Vtep

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

Problem = tuple[str, str]
"""The field, and what is wrong with it."""

Rule = Callable[["HostState"], Iterator[Problem]]
"""What must hold between values."""


def problems(state: HostState) -> Iterator[Problem]:
    """Yield everything that is wrong with ``state``, in a fixed order; nothing if it may be applied."""
    yield from _values(state)
    for rule in RULES:
        yield from rule(state)


def _values(state: HostState) -> Iterator[Problem]:
    """Yield what is wrong with a value by itself."""
    if state.vtep is not None:
        yield from _checked("vtep", state.vtep, _OF_VTEP)
    if state.bfd is not None:
        yield from _checked("bfd", state.bfd, _OF_BFD)
    if state.probe is not None:
        yield from _checked("probe", state.probe, _OF_PROBE)
    for number, segment in enumerate(state.segments):
        yield from _checked("segments", segment, _OF_SEGMENT, number)
        for index, remote in enumerate(segment.remotes):
            if what := vtep_address(remote):
                yield f"segments[{number}].remotes[{index}]", f"{quoted(remote)} {what}"
    for number, port in enumerate(state.ports):
        yield from _checked("ports", port, _OF_PORT, number)
    for number, entry in enumerate(state.fdb):
        yield from _checked("fdb", entry, _OF_ENTRY, number)


Check = Callable[[Any], str | None]

_OF_VTEP: Mapping[str, Check] = {"local": vtep_address, "local6": vtep_address, "dstport": udp_port}
_OF_BFD: Mapping[str, Check] = {"vni": vni, "min_tx": interval, "min_rx": interval, "detect_mult": detect_mult}
_OF_PROBE: Mapping[str, Check] = {"interval": interval, "detect_mult": detect_mult}
_OF_SEGMENT: Mapping[str, Check] = {
    "name": segment_name,
    "vni": vni,
    "ageing": ageing,
    "maxaddress": maxaddress,
    "max_moves": max_moves,
    "storm_control": storm_control,
    "storm_control_total": storm_control,
    "group": group_address,
}
_OF_PORT: Mapping[str, Check] = {"device": device_name, "storm_control": storm_control_of_port}
_OF_ENTRY: Mapping[str, Check] = {"mac": mac_address, "remote": vtep_address}


def _checked(table: str, row: object, checks: Mapping[str, Check], number: int | None = None) -> Iterator[Problem]:
    """Yield what is wrong with the fields of a row that are set."""
    for name, check in checks.items():
        value = getattr(row, name)
        if value is not None and (what := check(value)):
            yield f"{table}.{name}" if number is None else f"{table}[{number}].{name}", f"{quoted(value)} {what}"


# --- values beside one another --------------------------------------------------------------------------------------


def _segments_differ(state: HostState) -> Iterator[Problem]:
    yield from _doubles("segments", "name", (segment.name for segment in state.segments))
    yield from _doubles("segments", "vni", (segment.vni for segment in state.segments))


def _management_vni_is_free(state: HostState) -> Iterator[Problem]:
    """Hold to the rule that nobody's frames are where BFD is spoken (RFC 8971, section 4)."""
    for at, segment in _rows("segments", state.segments):
        if state.bfd is not None and segment.vni == state.bfd.vni:
            yield f"{at}.vni", f"{segment.vni} is the VNI in which BFD is spoken; give [bfd] another vni, on all hosts"


def _dead_are_told(state: HostState) -> Iterator[Problem]:
    for at, segment in _rows("segments", state.segments):
        if segment.flood_to_dead:
            continue
        if state.bfd is None and state.probe is None:
            yield f"{at}.flood_to_dead", "false, and nothing finds out who is dead; write [bfd] or [probe]"
        elif not segment.remotes:
            yield f"{at}.flood_to_dead", "false, and there are no remotes; it is about what is copied to each of them"


def _flooding_has_one_way(state: HostState) -> Iterator[Problem]:
    for at, segment in _rows("segments", state.segments):
        if segment.group is not None and segment.remotes:
            yield f"{at}.group", f"{segment.group} stands beside remotes; BUM goes to a group or to remotes, not both"


def _families_are_there(state: HostState) -> Iterator[Problem]:
    """Hold to the rule that packets need an address of their family to come from."""
    if state.vtep is None:
        return
    if state.vtep.local6 is not None and isinstance(state.vtep.local, IPv6Address):
        yield "vtep.local6", f"{state.vtep.local6} stands beside vtep.local, which is IPv6; it is for an IPv4 one"
    have = {address.version for address in _own(state.vtep)}
    asked: list[tuple[str, IPAddress | None]] = []
    for at, segment in _rows("segments", state.segments):
        asked += [*_rows(f"{at}.remotes", segment.remotes), (f"{at}.group", segment.group)]
    asked += [(f"{at}.remote", entry.remote) for at, entry in _rows("fdb", state.fdb)]
    for field, address in asked:
        if address is not None and address.version not in have:
            cure = "give it vtep.local6" if isinstance(address, IPv6Address) else "give it an IPv4 vtep.local, too"
            yield field, f"{address} is IPv{address.version}, and this host's VTEP has no such address; {cure}"


def _own(vtep: Vtep) -> tuple[IPAddress, ...]:
    return (vtep.local, vtep.local6) if vtep.local6 else (vtep.local,)


def _remotes_are_others(state: HostState) -> Iterator[Problem]:
    own = _own(state.vtep) if state.vtep else ()
    for at, segment in _rows("segments", state.segments):
        if len(segment.remotes) > 1:
            yield from _doubles(f"{at}.remotes", "", segment.remotes)
        for index, remote in enumerate(segment.remotes):
            if remote in own:
                yield f"{at}.remotes[{index}]", f"{remote} is this host's own vtep.local; remotes are the other hosts"


def _segments_exist(state: HostState) -> Iterator[Problem]:
    names = dict.fromkeys(segment.name for segment in state.segments)
    asked = [
        *_rows("ports", (port.segment for port in state.ports)),
        *_rows("fdb", (entry.segment for entry in state.fdb)),
    ]
    for at, name in asked:
        if name not in names:
            yield f"{at}.segment", f"{quoted(name)} is the name of no segment; {nearest(name, tuple(names))}"


def _devices_differ(state: HostState) -> Iterator[Problem]:
    yield from _doubles("ports", "device", (port.device for port in state.ports))


def _entries_differ(state: HostState) -> Iterator[Problem]:
    keys = ((entry.segment, entry.mac.lower()) for entry in state.fdb)
    for field, key, first in _repeated("fdb", keys):
        yield f"{field}.mac", f"{quoted(key[1])} has an entry in segment {quoted(key[0])} already: {first}"


def _entries_have_one_place(state: HostState) -> Iterator[Problem]:
    devices: dict[str, dict[str, None]] = {}
    for port in state.ports:
        devices.setdefault(port.segment, {})[port.device] = None
    for at, entry in _rows("fdb", state.fdb):
        if entry.port is None and entry.remote is None:
            yield at, f"{quoted(entry.mac)} is nowhere; give it a port or a remote"
        elif entry.port is not None and entry.remote is not None:
            yield f"{at}.remote", f"{entry.remote} stands beside port {quoted(entry.port)}; a MAC is at one place"
        else:
            yield from _place_is_there(state, at, entry, devices.get(entry.segment, {}))


def _place_is_there(state: HostState, at: str, entry: FdbEntry, devices: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the place of an entry; ``devices`` are its segment's ports."""
    if entry.port is not None:
        if entry.port not in devices:
            cure = nearest(entry.port, tuple(devices))
            yield f"{at}.port", f"{quoted(entry.port)} is no port of segment {quoted(entry.segment)}; {cure}"
    elif state.vtep is not None and entry.remote in _own(state.vtep):
        yield f"{at}.remote", f"{entry.remote} is this host's own vtep.local; a machine of this host is at a port"


RULES: tuple[Rule, ...] = (
    _segments_differ,
    _management_vni_is_free,
    _dead_are_told,
    _flooding_has_one_way,
    _families_are_there,
    _remotes_are_others,
    _segments_exist,
    _devices_differ,
    _entries_have_one_place,
    _entries_differ,
)


# --- helpers of the rules -------------------------------------------------------------------------------------------


def _rows(table: str, rows: Iterable[T]) -> Iterator[tuple[str, T]]:
    """Yield each row with its field, such as ``segments[1]``."""
    return ((f"{table}[{index}]", row) for index, row in enumerate(rows))


def _repeated(table: str, keys: Iterable[K]) -> Iterator[tuple[str, K, str]]:
    """Yield each key that stood in an earlier row: its field, itself, the field of the first."""
    keys = tuple(keys)
    if len(set(keys)) == len(keys):
        return  # without a word made up for any
    first: dict[K, str] = {}
    for field, key in _rows(table, keys):
        if key in first:
            yield field, key, first[key]
        else:
            first[key] = field


def _doubles(table: str, name: str, values: Iterable[Hashable]) -> Iterator[Problem]:
    suffix = f".{name}" if name else ""
    for field, value, first in _repeated(table, values):
        yield f"{field}{suffix}", f"{quoted(value)} stands at {first}{suffix} already; no two may be the same"
