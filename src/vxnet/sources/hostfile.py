# SPDX-License-Identifier: Apache-2.0
"""The host file: one TOML file that says what this host is to be. docs/host-file.md describes every key.

    h1.host.toml --tomlfile--> File --> HostState --rules--> HostState that may be applied      load
    h1.host.toml <----------------------------------------- HostState                           dump

The keys are the fields of `File` and what is in it: the model's, but for what only bridges have.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from vxnet.errors import ConfigError
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep
from vxnet.sources import tomlfile
from vxnet.sources.rules import problems

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = {
    "ageing": "ageing = 300",
    "device": 'device = "tap0"',
    "dstport": "dstport = 4789",
    "fdb": "[[fdb]]",
    "group": 'group = "239.1.1.1"',
    "learning": "learning = true",
    "local": 'local = "192.0.2.1"',
    "local6": 'local6 = "fd00::1"',
    "mac": 'mac = "52:54:00:12:34:56"',
    "maxaddress": "maxaddress = 16384",
    "name": 'name = "blue"',
    "port": 'port = "tap0"',
    "ports": "[[ports]]",
    "remote": 'remote = "192.0.2.2"',
    "remotes": 'remotes = ["192.0.2.2"]',
    "segment": 'segment = "blue"',
    "segments": "[[segments]]",
    "vni": "vni = 5001",
    "vtep": "[vtep]",
}
"""For every key, how it is written: errors show it."""


class FilePort(msgspec.Struct, frozen=True, kw_only=True):
    """A ``[[ports]]`` table."""

    device: str
    segment: str


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A whole host file."""

    vtep: Vtep | None = None
    segments: tuple[Segment, ...] = ()
    ports: tuple[FilePort, ...] = ()
    fdb: tuple[FdbEntry, ...] = ()


def load(path: str | Path) -> HostState:
    """Return what the host file at ``path`` asks for, MAC addresses in lower case, everything in the file's order.

    Raises ConfigError, one line ``FILE: FIELD: what is wrong with VALUE; the cure``, for the first thing that cannot
    be. Whether the devices and addresses exist on this host is not asked here.
    """
    file = tomlfile.load(path, File, EXAMPLES)
    ports = tuple(Port(device=port.device, segment=port.segment) for port in file.ports)
    state = HostState(vtep=file.vtep, segments=file.segments, ports=ports, fdb=file.fdb)
    if state.vtep is None:
        raise ConfigError(f"{path}: vtep: is missing; write [vtep] and, under it, {EXAMPLES['local']}")
    for field, what in problems(state):
        raise ConfigError(f"{path}: {field}: {what}")
    fdb = tuple(msgspec.structs.replace(entry, mac=entry.mac.lower()) for entry in state.fdb)
    return msgspec.structs.replace(state, fdb=fdb)


def dump(state: HostState) -> str:
    """Return the host file of ``state``, which `load` reads back as the same value. Defaults are left out.

    Raises ValueError for a host that is down: no file says that.
    """
    if state.vtep is None:
        raise ValueError("a host that is down has no host file")
    tables = [
        _table("[vtep]", state.vtep),
        *(_table("[[segments]]", segment) for segment in state.segments),
        *(_table("[[ports]]", FilePort(device=port.device, segment=port.segment)) for port in state.ports),
        *(_table("[[fdb]]", entry) for entry in state.fdb),
    ]
    return "\n".join(tables)


def _table(header: str, value: msgspec.Struct) -> str:
    return "".join(f"{line}\n" for line in (header, *_assignments(value)))


def _assignments(value: msgspec.Struct) -> Iterator[str]:
    for field in msgspec.structs.fields(value):
        content = getattr(value, field.name)
        if content != field.default:
            yield f"{field.encode_name} = {_literal(content)}"


def _literal(value: object) -> str:
    """Return a value as TOML writes it. For the strings a checked state holds, JSON's form is TOML's."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)
