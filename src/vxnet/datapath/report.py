# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of a running host, for `vxnet show`, `fdb` and `stats`; read with or without a daemon."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal

import msgspec

from vxnet.datapath.actual import read
from vxnet.datapath.devices import devices
from vxnet.datapath.dropped import dropped
from vxnet.datapath.flooding import flood_list
from vxnet.datapath.kernel import find
from vxnet.datapath.layout import DOMAIN_LEARNING, FDB_STATIC
from vxnet.datapath.slots import Slots
from vxnet.datapath.sweep import expired
from vxnet.errors import HostError
from vxnet.packet.mac import format_mac
from vxnet.plan import kind_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vxnet.datapath.kernel import Found


class Traffic(msgspec.Struct, frozen=True):
    """Packets and bytes (of tenants' frames, without outer headers). rx: into the segment; tx: out of it.

    ``unlearned`` counts source MACs not learned: the place had taught ``maxaddress`` already, or the FDB was full.
    """

    rx_packets: int = 0
    rx_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    unlearned: int = 0


class FdbRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry; ``age`` in seconds since it was last seen, None for a static one."""

    segment: str
    vni: int
    mac: str
    state: Literal["static", "learned"]
    port: str | None = None
    remote: IPv4Address | None = None
    age: float | None = None


class PortRow(msgspec.Struct, frozen=True):
    """A port and its traffic; ``macs`` is how many MACs the FDB has there."""

    device: str
    segment: str
    macs: int
    traffic: Traffic


class RemoteRow(msgspec.Struct, frozen=True):
    """A remote: ``flood`` if BUM goes to it, ``macs`` behind it, ``age`` in seconds since a MAC of it was seen."""

    address: IPv4Address
    flood: bool
    macs: int
    age: float | None


class SegmentRow(msgspec.Struct, frozen=True):
    """A segment; ``traffic`` is that of its tunnel: rx came from the underlay, tx went there."""

    name: str
    vni: int
    group: IPv4Address | None
    ageing: int
    learning: bool
    maxaddress: int
    ports: tuple[PortRow, ...]
    remotes: tuple[RemoteRow, ...]
    traffic: Traffic


class Fault(msgspec.Struct, frozen=True):
    """What is there but does not work: its kind and name as in a plan, and what is wrong in words."""

    kind: str
    name: str
    fault: str


class Overview(msgspec.Struct, frozen=True):
    """One host.

    ``drops`` has every reason by its name, zeros and all; ``faults`` is what is there but does not work.
    """

    local: IPv4Address
    dstport: int
    underlay: str
    mtu: int
    segments: tuple[SegmentRow, ...]
    drops: dict[str, int]
    faults: tuple[Fault, ...]


def overview(run_dir: Path) -> Overview:
    """Read everything but the FDB's entries themselves. HostError when vxnet is not up."""
    with _found(run_dir) as found:
        return _overview(run_dir, found)


def _overview(run_dir: Path, found: Found) -> Overview:
    slots = Slots(found.maps)
    rows = _rows(found, slots)
    underlay = devices().by_index.get(found.vtep.underlay)
    drops = dropped(found.maps, found.overlay.index, found.vtep.dstport)
    return Overview(
        local=found.vtep.local.ipv4() or IPv4Address(0),
        dstport=found.vtep.dstport,
        underlay=underlay.name if underlay else "",
        mtu=found.vtep.mtu,
        segments=tuple(_segment(found, slots, slot, rows) for slot in sorted(slots.domains)),
        drops={reason.name: frames for reason, frames in drops.items()},
        faults=tuple(Fault(kind_of(v), name_of(v), why) for v, why in read(run_dir).faults.items()),
    )


def fdb(run_dir: Path, segment: str | None = None) -> tuple[FdbRow, ...]:
    """Return the entries that are in force, of one segment or of all. HostError for a segment that is not there."""
    with _found(run_dir) as found:
        return _fdb(found, segment)


def _fdb(found: Found, segment: str | None) -> tuple[FdbRow, ...]:
    slots = Slots(found.maps)
    if segment is not None and slots.domain_of(segment) is None:
        have = ", ".join(sorted(d.name.decode() for d in slots.domains.values())) or "none"
        message = f"segment {segment} does not exist on this host; it has: {have}"
        raise HostError(message)
    return tuple(row for row in _rows(found, slots) if segment in {None, row.segment})


@contextmanager
def _found(run_dir: Path) -> Iterator[Found]:
    found = find(run_dir)
    if found is None:
        message = f"vxnet is not up in this network namespace (--run-dir {run_dir}); start it with `vxnet up HOST.toml`"
        raise HostError(message)
    with found.maps:
        yield found


def _rows(found: Found, slots: Slots) -> list[FdbRow]:
    now = time.monotonic_ns()
    rows = []
    for key, value in found.maps.fdb.items():
        domain, member = slots.domains.get(key.domain), slots.members.get(value.place.member)
        if domain is None or member is None or member.domain != key.domain or expired(value, domain, now):
            continue
        static = bool(value.flags & FDB_STATIC)
        remote = value.place.remote.ipv4()
        rows.append(
            FdbRow(
                segment=domain.name.decode(),
                vni=domain.vni,
                mac=format_mac(bytes(key.mac)),
                state="static" if static else "learned",
                port=None if remote else member.name.decode(),
                remote=remote,
                age=None if static else round(max(0, now - value.last_seen) / 1e9, 3),
            )
        )
    return sorted(rows, key=lambda row: (row.segment, row.mac))


def _segment(found: Found, slots: Slots, slot: int, rows: Iterable[FdbRow]) -> SegmentRow:
    domain, tunnel = slots.domains[slot], slots.tunnel_of(slot) or 0
    name = domain.name.decode()
    group = slots.members[tunnel].group.ipv4() if tunnel else None
    mine = [row for row in rows if row.segment == name]
    at_port = Counter(row.port for row in mine)
    behind: dict[IPv4Address, list[FdbRow]] = {}
    for row in mine:
        if row.remote:
            behind.setdefault(row.remote, []).append(row)
    flooded = [p.remote.ipv4() for p in flood_list(found.maps, slot, domain) if p.member == tunnel]
    remotes = [a for a in flooded if a and a != group]
    remotes += sorted(a for a in behind if a not in remotes)
    return SegmentRow(
        name=name,
        vni=domain.vni,
        group=group,
        ageing=domain.ageing // 10**9,
        learning=bool(domain.flags & DOMAIN_LEARNING),
        maxaddress=domain.maxaddress,
        ports=tuple(
            PortRow(device, name, at_port[device], _traffic(found, port))
            for port in slots.ports_of(slot)
            for device in [slots.members[port].name.decode()]
        ),
        remotes=tuple(
            RemoteRow(
                address,
                address in flooded,
                len(behind.get(address, ())),
                min((row.age for row in behind.get(address, ()) if row.age is not None), default=None),
            )
            for address in remotes
        ),
        traffic=_traffic(found, tunnel),
    )


def _traffic(found: Found, member: int) -> Traffic:
    values = found.maps.traffic.get(member)
    return Traffic(
        *(sum(getattr(v, field) for v in values) for field in Traffic.__struct_fields__),
    )
