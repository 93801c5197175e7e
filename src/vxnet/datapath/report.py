# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of a running host, for `vxnet show`, `fdb` and `stats`; read with or without a daemon."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from vxnet.datapath.actual import read
from vxnet.datapath.devices import devices
from vxnet.datapath.dropped import dropped
from vxnet.datapath.entries import rows
from vxnet.datapath.flooding import NOBODY, through_tunnels
from vxnet.datapath.kernel import find
from vxnet.datapath.layout import (
    DOMAIN_BPDU,
    DOMAIN_BRIDGE,
    DOMAIN_LEARNING,
    MEMBER_LOOP,
)
from vxnet.datapath.slots import Slots
from vxnet.datapath.tunnelmember import tunnel_of
from vxnet.datapath.vlans import vlans_of
from vxnet.errors import HostError
from vxnet.model import ALL_VLANS, IPAddress, Tunnel, Vlans
from vxnet.plan import kind_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from vxnet.datapath.entries import FdbRow
    from vxnet.datapath.maps import Maps


class Traffic(msgspec.Struct, frozen=True):
    """Packets and bytes (of tenants' frames, without outer headers). rx: into the segment; tx: out of it.

    ``unlearned`` counts source MACs not learned: the place had taught ``maxaddress`` already, or the FDB was full.
    ``suppressed`` counts BUM frames from there that storm control dropped.
    """

    rx_packets: int = 0
    rx_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    unlearned: int = 0
    suppressed: int = 0


class PortRow(msgspec.Struct, frozen=True):
    """A port and its traffic; ``macs`` is how many MACs the FDB has there. ``loop``: cut off, as it is in a loop."""

    device: str
    segment: str
    macs: int
    traffic: Traffic
    vlans: Vlans = ALL_VLANS
    loop: bool = False


class RemoteRow(msgspec.Struct, frozen=True):
    """A remote: ``flood`` if BUM goes to it, ``macs`` behind it, ``age`` in seconds since a MAC of it was seen.

    ``dead`` if BUM would go to it, were it not dead.
    """

    address: IPAddress
    flood: bool
    macs: int
    age: float | None
    dead: bool = False


class SegmentRow(msgspec.Struct, frozen=True):
    """A segment; ``traffic`` is that of its tunnel: rx came from the underlay, tx went there."""

    name: str
    vni: int
    group: IPAddress | None
    ageing: int
    learning: bool
    maxaddress: int
    ports: tuple[PortRow, ...]
    remotes: tuple[RemoteRow, ...]
    traffic: Traffic
    storm_control: int = 0
    storm_control_total: int = 0


class Fault(msgspec.Struct, frozen=True):
    """What is there but does not work: its kind and name as in a plan, and what is wrong in words."""

    kind: str
    name: str
    fault: str


class TunnelRow(msgspec.Struct, frozen=True):
    """A tunnel of a bridge; ``macs`` is how many MACs the FDB has behind it."""

    tunnel: Tunnel
    macs: int
    traffic: Traffic


class BridgeRow(msgspec.Struct, frozen=True):
    """A bridge."""

    name: str
    ageing: int
    maxaddress: int
    forward_bpdu: bool
    ports: tuple[PortRow, ...]
    tunnels: tuple[TunnelRow, ...]


class Overview(msgspec.Struct, frozen=True):
    """One host.

    ``drops`` has every reason by its name, zeros and all; ``faults`` is what is there but does not work.
    Where there are no segments, ``local``, ``dstport`` and ``mtu`` are None; ``local6`` is, unless it stands beside an
    IPv4 ``local``.
    """

    local: IPAddress | None
    local6: IPAddress | None
    dstport: int | None
    underlay: str
    mtu: int | None
    segments: tuple[SegmentRow, ...]
    bridges: tuple[BridgeRow, ...]
    drops: dict[str, int]
    faults: tuple[Fault, ...]


def overview(run_dir: Path) -> Overview:
    """Read everything but the FDB's entries themselves. HostError when vxnet is not up."""
    with _found(run_dir) as maps:
        return _overview(run_dir, maps)


def _overview(run_dir: Path, maps: Maps) -> Overview:
    slots = Slots(maps)
    entries: dict[str, list[FdbRow]] = {}
    for row in rows(maps, slots):
        entries.setdefault(row.segment, []).append(row)
    vtep = next((value for _, value in maps.vteps.items() if value.local.ip()), None)
    underlay = devices().by_index.get(vtep.underlay) if vtep else None
    bridged = {slot: bool(domain.flags & DOMAIN_BRIDGE) for slot, domain in sorted(slots.domains.items())}
    return Overview(
        local=vtep.local.ip() if vtep else None,
        local6=vtep.local6.ip() if vtep and bytes(vtep.local6) != bytes(vtep.local) else None,
        dstport=vtep.dstport if vtep else None,
        underlay=underlay.name if underlay else "",
        mtu=vtep.mtu if vtep else None,
        segments=tuple(_segment(maps, slots, slot, entries) for slot, is_bridge in bridged.items() if not is_bridge),
        bridges=tuple(_bridge(maps, slots, slot, entries) for slot, is_bridge in bridged.items() if is_bridge),
        drops={reason.name: frames for reason, frames in dropped(maps).items()},
        faults=tuple(Fault(kind_of(v), name_of(v), why) for v, why in read(run_dir).faults.items()),
    )


def members(run_dir: Path) -> dict[str, Traffic]:
    """Return the traffic of every port, by its device, and of every tunnel, by its name. HostError when not up."""
    with _found(run_dir) as maps:
        return {m.name.decode(): _traffic(maps, slot) for slot, m in Slots(maps).members.items()}


def fdb(run_dir: Path, segment: str | None = None) -> tuple[FdbRow, ...]:
    """Return the entries that are in force, of one segment or of all. HostError for a segment that is not there."""
    with _found(run_dir) as maps:
        return _fdb(maps, segment)


def _fdb(maps: Maps, segment: str | None) -> tuple[FdbRow, ...]:
    slots = Slots(maps)
    if segment is not None and slots.domain_of(segment) is None:
        have = ", ".join(sorted(d.name.decode() for d in slots.domains.values())) or "none"
        message = f"segment {segment} does not exist on this host; it has: {have}"
        raise HostError(message)
    return tuple(rows(maps, slots, segment))


@contextmanager
def _found(run_dir: Path) -> Iterator[Maps]:
    maps = find(run_dir)
    if maps is None:
        message = f"vxnet is not up in this network namespace (--run-dir {run_dir}); start it with `vxnet up HOST.toml`"
        raise HostError(message)
    with maps:
        yield maps


def _bridge(maps: Maps, slots: Slots, slot: int, entries: Mapping[str, list[FdbRow]]) -> BridgeRow:
    domain = slots.domains[slot]
    name = domain.name.decode()
    mine = entries.get(name, [])
    behind = Counter(row.tunnel for row in mine)
    return BridgeRow(
        name=name,
        ageing=domain.ageing // 10**9,
        maxaddress=domain.maxaddress,
        forward_bpdu=bool(domain.flags & DOMAIN_BPDU),
        ports=_ports(maps, slots, slot, mine),
        tunnels=tuple(
            TunnelRow(
                tunnel_of(slots.members[tunnel], name, vlans_of(maps, tunnel, slots.members[tunnel])),
                behind[slots.members[tunnel].name.decode()],
                _traffic(maps, tunnel),
            )
            for tunnel in slots.tunnels_of(slot)
        ),
    )


def _ports(maps: Maps, slots: Slots, slot: int, entries: Iterable[FdbRow]) -> tuple[PortRow, ...]:
    at_port = Counter(row.port for row in entries)
    segment = slots.domains[slot].name.decode()
    return tuple(
        PortRow(
            device,
            segment,
            at_port[device],
            _traffic(maps, port),
            vlans_of(maps, port, slots.members[port]),
            loop=bool(slots.members[port].flags & MEMBER_LOOP),
        )
        for port in slots.ports_of(slot)
        for device in [slots.members[port].name.decode()]
    )


def _segment(maps: Maps, slots: Slots, slot: int, entries: Mapping[str, list[FdbRow]]) -> SegmentRow:
    domain = slots.domains[slot]
    name = domain.name.decode()
    tunnel = slots.tunnel(name) or 0
    group = slots.members[tunnel].group.ip() if tunnel else None
    mine = entries.get(name, [])
    behind: dict[IPAddress, list[FdbRow]] = {}
    for row in mine:
        if row.remote:
            behind.setdefault(row.remote, []).append(row)
    places = {place.remote.ip(): place.member for place in through_tunnels(maps.flood, slots, slot)}
    remotes = [a for a in places if a and a != group]
    remotes += sorted((a for a in behind if a not in remotes), key=lambda a: (a.version, a))
    return SegmentRow(
        name=name,
        vni=domain.vni,
        group=group,
        ageing=domain.ageing // 10**9,
        learning=bool(domain.flags & DOMAIN_LEARNING),
        maxaddress=domain.maxaddress,
        ports=_ports(maps, slots, slot, mine),
        remotes=tuple(
            RemoteRow(
                address,
                places.get(address, NOBODY) != NOBODY,
                len(behind.get(address, ())),
                min((row.age for row in behind.get(address, ()) if row.age is not None), default=None),
                dead=places.get(address) == NOBODY,
            )
            for address in remotes
        ),
        traffic=_traffic(maps, tunnel),
        storm_control=domain.storm_control,
        storm_control_total=domain.storm_control_total,
    )


def _traffic(maps: Maps, member: int) -> Traffic:
    values = maps.traffic.get(member)
    return Traffic(
        *(sum(getattr(v, field) for v in values) for field in Traffic.__struct_fields__),
    )
