# SPDX-License-Identifier: Apache-2.0
"""The host file: one TOML file that says what this host is to be. docs/host-file.md describes every key.

    h1.host.toml --tomlfile--> File --> HostState --rules--> HostState that may be applied      load
    h1.host.toml <----------------------------------------- HostState                           dump

The keys are the fields of `File` and what is in it: the model's, but for what only bridges have.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from vxnet.dead import watched
from vxnet.errors import ConfigError
from vxnet.model import (
    AGEING,
    BFD_VNI,
    MAX_MOVES,
    MAXADDRESS,
    Bfd,
    FdbEntry,
    HostState,
    IPAddress,
    Port,
    Probe,
    Segment,
    Vtep,
)
from vxnet.sources import tomlfile
from vxnet.sources.known import known
from vxnet.sources.rules import problems
from vxnet.sources.values import prefix_of_hosts, tos, ttl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = {
    "accept": 'accept = "known"',
    "accept_from": 'accept_from = ["192.0.2.0/24"]',
    "ageing": "ageing = 300",
    "bfd": "[bfd]",
    "detect_mult": "detect_mult = 3",
    "device": 'device = "tap0"',
    "df": 'df = "set"',
    "dstport": "dstport = 4789",
    "fdb": "[[fdb]]",
    "flood_to_dead": "flood_to_dead = false",
    "group": 'group = "239.1.1.1"',
    "inner_vlan": 'inner_vlan = "keep"',
    "interval": "interval = 1000",
    "learning": "learning = true",
    "local": 'local = "192.0.2.1"',
    "local6": 'local6 = "fd00::1"',
    "mac": 'mac = "52:54:00:12:34:56"',
    "maxaddress": "maxaddress = 16384",
    "max_moves": "max_moves = 5",
    "min_rx": "min_rx = 1000",
    "min_tx": "min_tx = 1000",
    "name": 'name = "blue"',
    "port": 'port = "tap0"',
    "ports": "[[ports]]",
    "probe": "[probe]",
    "remote": 'remote = "192.0.2.2"',
    "remotes": 'remotes = ["192.0.2.2"]',
    "segment": 'segment = "blue"',
    "segments": "[[segments]]",
    "storm_control": "storm_control = 1000",
    "storm_control_total": "storm_control_total = 5000",
    "tos": "tos = 0",
    "ttl": "ttl = 64",
    "udpcsum": "udpcsum = false",
    "vni": "vni = 5001",
    "vtep": "[vtep]",
}
"""For every key, how it is written: errors show it."""


class FileBfd(msgspec.Struct, frozen=True, kw_only=True):
    """The ``[bfd]`` table: `Bfd` without the remotes, who are those of the segments and of static entries."""

    vni: int = BFD_VNI
    min_tx: int = 1000
    min_rx: int = 1000
    detect_mult: int = 3


class FilePort(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A ``[[ports]]`` table."""

    device: str
    segment: str
    storm_control: int | None = None


class FileSegment(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A ``[[segments]]`` table: `Segment`, with iproute2's words for the outer header, and for whom packets are from.

    ``accept`` None: "known" where there are remotes, else "any". "known": from ``remotes`` and those of static entries.
    "any": from the prefixes ``accept_from``, or, without, from anybody.
    """

    name: str
    vni: int
    remotes: tuple[IPAddress, ...] = ()
    group: IPAddress | None = None
    ageing: int = AGEING
    learning: bool = True
    maxaddress: int = MAXADDRESS
    max_moves: int = MAX_MOVES
    storm_control: int = 0
    storm_control_total: int = 0
    accept: Literal["known", "any"] | None = None
    accept_from: tuple[str, ...] = ()
    ttl: int | Literal["inherit"] = 64
    tos: int | Literal["inherit"] = 0
    df: Literal["set", "unset"] = "set"
    udpcsum: bool = False
    inner_vlan: Literal["discard", "keep"] = "discard"
    flood_to_dead: bool = True


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A whole host file."""

    vtep: Vtep | None = None
    bfd: FileBfd | None = None
    probe: Probe | None = None
    segments: tuple[FileSegment, ...] = ()
    ports: tuple[FilePort, ...] = ()
    fdb: tuple[FdbEntry, ...] = ()


def load(path: str | Path) -> HostState:
    """Return what the host file at ``path`` asks for, MAC addresses in lower case, everything in the file's order.

    Raises ConfigError, one line ``FILE: FIELD: what is wrong with VALUE; the cure``, for the first thing that cannot
    be. Whether the devices and addresses exist on this host is not asked here.
    """
    file = tomlfile.load(path, File, EXAMPLES)
    state = _state(file)
    for field, what in _wrong(file, state):
        raise ConfigError(f"{path}: {field}: {what}")
    return _in_lower_case(state)


def dump(state: HostState) -> str:
    """Return the host file of ``state``, which `load` reads back as the same value. Defaults are left out.

    Raises ValueError for a host that is down, or a segment that takes packets from nobody: no file says that.
    """
    if state.vtep is None:
        raise ValueError("a host that is down has no host file")
    file = _file(state)
    tables = [
        _table("[vtep]", state.vtep),
        *([_table("[bfd]", file.bfd)] if file.bfd else []),
        *([_table("[probe]", file.probe)] if file.probe else []),
        *(_table("[[segments]]", segment) for segment in file.segments),
        *(_table("[[ports]]", port) for port in file.ports),
        *(_table("[[fdb]]", entry) for entry in file.fdb),
    ]
    return "\n".join(tables)


def vouch(state: HostState) -> None:
    """Raise ConfigError, one line that names the field, unless a host file could say ``state``, wherever it is from."""
    try:
        file = _file(state)
    except ValueError as error:
        raise ConfigError(f"segments: {error}, which no host file says") from None
    said = _state(file)
    for field, what in _wrong(file, said):
        raise ConfigError(f"{field}: {what}")
    if _in_lower_case(said) != state:
        raise ConfigError("it asks for what no host file says, such as bridges, neighbours, or MACs in capitals")


def _state(file: File) -> HostState:
    ports = tuple(Port(**msgspec.structs.asdict(port)) for port in file.ports)
    behind = _behind(file.fdb)
    segments = tuple(_segment(segment, behind) for segment in file.segments)
    return HostState(vtep=file.vtep, bfd=_bfd(file), probe=file.probe, segments=segments, ports=ports, fdb=file.fdb)


def _bfd(file: File) -> Bfd | None:
    """Return how remotes are watched: one session with each, in however many segments it is."""
    if file.bfd is None:
        return None
    return Bfd(**msgspec.structs.asdict(file.bfd), remotes=watched(file.segments, file.fdb))


def _in_lower_case(state: HostState) -> HostState:
    fdb = tuple(msgspec.structs.replace(entry, mac=entry.mac.lower()) for entry in state.fdb)
    return msgspec.structs.replace(state, fdb=fdb)


def _file(state: HostState) -> File:
    """Return what a file says of it; what no file says is not among that. ValueError if senders cannot be said."""
    behind = _behind(state.fdb)
    segments = tuple(_file_segment(segment, behind) for segment in state.segments)
    ports = tuple(
        FilePort(**{field: getattr(port, field) for field in FilePort.__struct_fields__}) for port in state.ports
    )
    settings = ((field, getattr(state.bfd, field)) for field in FileBfd.__struct_fields__)
    bfd = FileBfd(**dict(settings)) if state.bfd else None
    return File(vtep=state.vtep, bfd=bfd, probe=state.probe, segments=segments, ports=ports, fdb=state.fdb)


def _wrong(file: File, state: HostState) -> Iterator[tuple[str, str]]:
    """Yield everything that is wrong with a file, which says ``state``: the field, and what it is."""
    if file.vtep is None:
        yield "vtep", f"is missing; write [vtep] and, under it, {EXAMPLES['local']}"
    yield from _accepted(file)
    yield from _headers(file)
    yield from problems(state)


# --- whom packets are taken from ------------------------------------------------------------------------------------

_SHARED = (
    "name",
    "vni",
    "remotes",
    "group",
    "ageing",
    "learning",
    "maxaddress",
    "max_moves",
    "storm_control",
    "storm_control_total",
    "flood_to_dead",
)
"""What a segment of the file and one of the model have in common."""

INHERIT: Final = "inherit"

_Behind = dict[str, list[IPAddress]]


def _segment(segment: FileSegment, behind: _Behind) -> Segment:
    shared = {field: getattr(segment, field) for field in _SHARED}
    accept = segment.accept or ("known" if segment.remotes else "any")
    senders = _known(segment.name, segment.remotes, behind) if accept == "known" else segment.accept_from or None
    return Segment(
        **shared,
        senders=senders,
        ttl=0 if segment.ttl == INHERIT else segment.ttl,
        tos=None if segment.tos == INHERIT else segment.tos,
        df=segment.df == "set",
        csum=segment.udpcsum,
        inner_vlan=segment.inner_vlan == "keep",
    )


def _file_segment(segment: Segment, behind: _Behind) -> FileSegment:
    shared = {field: getattr(segment, field) for field in _SHARED} | {
        "ttl": segment.ttl or INHERIT,
        "tos": INHERIT if segment.tos is None else segment.tos,
        "df": "set" if segment.df else "unset",
        "udpcsum": segment.csum,
        "inner_vlan": "keep" if segment.inner_vlan else "discard",
    }
    if segment.senders == ():
        raise ValueError(f"{tomlfile.quoted(segment.name)} takes packets from nobody")
    if segment.senders is None:
        return FileSegment(**shared, accept="any" if segment.remotes else None)
    if segment.senders == _known(segment.name, segment.remotes, behind):
        return FileSegment(**shared, accept=None if segment.remotes else "known")
    return FileSegment(**shared, accept="any", accept_from=segment.senders)


def _behind(fdb: tuple[FdbEntry, ...]) -> _Behind:
    """Return the remotes that static entries name, by segment."""
    behind: _Behind = {}
    for entry in fdb:
        if entry.remote:
            behind.setdefault(entry.segment, []).append(entry.remote)
    return behind


def _known(name: str, remotes: tuple[IPAddress, ...], behind: _Behind) -> tuple[str, ...]:
    return known((*remotes, *behind.get(name, ())))


def _accepted(file: File) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with ``accept`` and ``accept_from``: the field, and what it is."""
    behind = _behind(file.fdb)
    for number, segment in enumerate(file.segments):
        at = f"segments[{number}]"
        if segment.accept == "known" and not _known(segment.name, segment.remotes, behind):
            yield f"{at}.accept", '"known", and no remote is; name remotes, or write accept = "any"'
        if segment.accept_from and (segment.accept or ("known" if segment.remotes else "any")) == "known":
            yield f"{at}.accept_from", 'stands beside accept = "known", which names all; write accept = "any"'
        for index, prefix in enumerate(segment.accept_from):
            if what := prefix_of_hosts(prefix):
                yield f"{at}.accept_from[{index}]", f"{tomlfile.quoted(prefix)} {what}"


def _headers(file: File) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with options of the outer header."""
    for number, segment in enumerate(file.segments):
        if segment.ttl != INHERIT and (what := ttl(segment.ttl)):
            yield f"segments[{number}].ttl", f"{segment.ttl} {what}"
        if segment.tos != INHERIT and (what := tos(segment.tos)):
            yield f"segments[{number}].tos", f"{segment.tos} {what}"


def _table(header: str, value: msgspec.Struct) -> str:
    return "".join(f"{line}\n" for line in (header, *_assignments(value)))


def _assignments(value: msgspec.Struct) -> Iterator[str]:
    for field, default in _defaults(type(value)):
        content = getattr(value, field)
        if content != default:
            yield f"{field} = {_literal(content)}"


@cache
def _defaults(kind: type[msgspec.Struct]) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, field.default) for field in msgspec.structs.fields(kind))


def _literal(value: object) -> str:
    """Return a value as TOML writes it. For the strings a checked state holds, JSON's form is TOML's."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)
