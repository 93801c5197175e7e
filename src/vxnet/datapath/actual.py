# SPDX-License-Identifier: Apache-2.0
"""Reading the kernel back into a HostState: the actual side of the plan.

Nothing is remembered: what the maps, devices, filters and routes say is what there is. A port whose program was taken
off its device, a segment whose VNI is no longer in the VXLAN device's filter, is not "there": it is a fault, and the
plan makes it anew.
"""

from __future__ import annotations

from ctypes import c_uint32
from ipaddress import IPv6Address
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import bfd, probe
from vxnet.datapath.attach import is_attached
from vxnet.datapath.devices import devices
from vxnet.datapath.flooding import NOBODY, flood_list
from vxnet.datapath.internal import inner_name
from vxnet.datapath.kernel import ACCESS, OVERLAY, UNDERLAY, find, overlay_name
from vxnet.datapath.layout import (
    DOMAIN_ALIVE,
    DOMAIN_BPDU,
    DOMAIN_BRIDGE,
    DOMAIN_LEARNING,
    DOMAIN_TAGS,
    FDB_STATIC,
    MEMBER_INTERNAL,
    MEMBER_PEER,
    MEMBER_SECURED,
    Domain,
    Member,
)
from vxnet.datapath.neighbours import neighbours_of
from vxnet.datapath.parsed import Parsed
from vxnet.datapath.routes import group_routes, joined_groups
from vxnet.datapath.segments import arrivals
from vxnet.datapath.sources import Sources
from vxnet.datapath.tunnelmember import arrival, header_of, tunnel_of
from vxnet.datapath.vlans import vlans_of
from vxnet.datapath.vxlandev import FilterEntry, vnis
from vxnet.model import Bfd, Bridge, FdbEntry, HostState, Port, Segment, Tunnel, Vtep
from vxnet.packet.mac import format_mac
from vxnet.plan import Actual

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vxnet.datapath.devices import Device, Devices
    from vxnet.datapath.layout import Place, VtepValue
    from vxnet.datapath.maps import Maps
    from vxnet.model import IPAddress
    from vxnet.plan import Value


DEVICE_DOWN = "its device is down"
"""What is wrong with a port that was attached and whose device somebody has set down since."""


def read(run_dir: Path) -> Actual:
    """Read what the daemon of ``run_dir`` has put into the kernel of this network namespace."""
    return Reader(run_dir).read()


class Reader:
    """Reads it again and again: what has not changed since the last time is not parsed again."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._known = _Known()

    def read(self) -> Actual:
        """Read what is there now."""
        present = devices()
        maps = find(self._run_dir, present)
        if not maps:
            self._known = _Known()
            return Actual()
        with maps:
            self._known.follow(maps)
            return _Look(maps, present, self._known).read()


class _Around(NamedTuple):
    """What the segments of a VTEP need in the kernel beside the maps: VNIs taken, groups that are routed and joined.

    ``moved``: where the VTEP's address has gone, if it has.
    """

    vtep: bytes
    moved: str
    taken: frozenset[FilterEntry]
    routed: frozenset[IPAddress]
    joined: frozenset[IPAddress]


class _Known:
    """What was parsed, and the segments that it makes with what there was around them; nothing at first."""

    def __init__(self) -> None:
        self.parsed = Parsed()
        self._due: set[int] = set()
        self._around: _Around | None = None
        self._working: dict[int, Segment] = {}
        self._broken: dict[int, tuple[Segment, str]] = {}
        self._in_order: tuple[Segment, ...] = ()

    def follow(self, maps: Maps) -> None:
        """Take in what has changed in the maps."""
        self._due |= self.parsed.follow(maps)

    def segments(self, around: _Around, made: Callable[[int, Domain], tuple[Segment, str]]) -> tuple[Segment, ...]:
        """Return the segments that work, in the order of their slots.

        ``made`` returns the one of a domain, and what is wrong with it: it is asked for those that may be others.
        """
        there = self.parsed.slots.domains
        due = self._due if around == self._around else self._due | there.keys()
        self._around, self._due = around, due
        for slot in due:
            self._working.pop(slot, None)
            self._broken.pop(slot, None)
            domain = there.get(slot)
            if domain is None or domain.flags & DOMAIN_BRIDGE:
                continue
            segment, fault = made(slot, domain)
            if fault:
                self._broken[slot] = segment, fault
            else:
                self._working[slot] = segment
        if due:
            self._in_order = tuple(segment for _, segment in sorted(self._working.items(), key=itemgetter(0)))
        self._due = set()
        return self._in_order

    @property
    def faults(self) -> dict[Value, str]:
        """What is wrong with the others."""
        return dict(self._broken[slot] for slot in sorted(self._broken))


class _Look:
    def __init__(self, maps: Maps, present: Devices, known: _Known) -> None:
        self._maps = maps
        self._present = present
        self._known = known
        self._slots, self._senders = known.parsed.slots, known.parsed.senders
        self._sources = Sources(maps)
        self._vteps = {value.dstport: value for _, value in maps.vteps.items()}
        # That of the segments has an address of its own.
        self._vtep = next((value for value in self._vteps.values() if value.local.ip()), None)
        self._faults: dict[Value, str] = {}
        self._broken_ports: dict[int, Port] = {}

    def read(self) -> Actual:
        vtep = self._read_vtep()
        ports = dict(self._ports())
        state = HostState(
            vtep=None if vtep in self._faults else vtep,
            segments=self._segments(),
            bridges=tuple(self._bridges()),
            tunnels=tuple(self._tunnels()),
            ports=tuple(ports.values()),
            fdb=tuple(self._static(ports)),
            neighbours=tuple(neighbours_of(self._maps, self._slots)),
            bfd=self._bfd(),
            probe=probe.read(self._maps),
        )
        return Actual(state, self._faults)

    # ---- the VTEP and its segments ----

    def _read_vtep(self) -> Vtep | None:
        value = self._vtep
        local = value.local.ip() if value else None
        if value is None or local is None:
            return None
        other = value.local6.ip()
        local6 = other if isinstance(other, IPv6Address) and other != local else None
        vtep = Vtep(local=local, local6=local6, dstport=value.dstport)
        if fault := self._moved(value) or self._vtep_fault(value):
            self._faults[vtep] = fault
        return vtep

    def _moved(self, value: VtepValue) -> str:
        underlay = self._present.by_index.get(value.underlay)
        has = underlay.addresses if underlay else ()
        gone = next((local for local in (value.local.ip(), value.local6.ip()) if local not in has), None)
        return f"{gone} is no longer on the device it was on" if gone else ""

    def _vtep_fault(self, value: VtepValue) -> str:
        underlay = self._present.by_index[value.underlay]
        if fault := self._overlay_fault(value):
            return fault
        if underlay.ethernet and not is_attached(underlay.index, UNDERLAY, self._maps.instance):
            return f"no program on {underlay.name}"
        if value.mtu != underlay.mtu:
            return f"the MTU of {underlay.name} is {underlay.mtu}, no longer {value.mtu}"
        return ""

    def _overlay_fault(self, value: VtepValue) -> str:
        overlay, name = self._present.by_index.get(value.overlay), overlay_name(value.dstport)
        if overlay is None:
            return f"{name} is gone"
        if not overlay.up:
            return f"{name} is down"
        if not is_attached(overlay.index, OVERLAY, self._maps.instance):
            return f"no program on {name}"
        bridge = self._present.by_index.get(overlay.master)
        if bridge is None or bridge.alias != overlay.alias:
            return f"{name} is not below the bridge that was made for it"
        return ""

    def _segments(self) -> tuple[Segment, ...]:
        """Return those that work: none does when the VXLAN device is going to be another one."""
        value = self._vtep
        if value is None:
            return ()
        overlay = self._present.by_index.get(value.overlay)
        around = _Around(
            vtep=bytes(value),
            moved=self._moved(value),
            taken=vnis(overlay.index) if overlay else frozenset(),
            routed=group_routes(value.underlay, value.dstport),
            joined=joined_groups(value.underlay),
        )
        segments = self._known.segments(around, lambda slot, domain: self._segment(slot, domain, value, around))
        self._faults |= self._known.faults
        return segments

    def _segment(self, slot: int, domain: Domain, value: VtepValue, around: _Around) -> tuple[Segment, str]:
        name = domain.name.decode()
        tunnel = self._slots.tunnel(name)
        member = self._slots.members[tunnel] if tunnel else None
        group = member.group.ip() if member else None
        places = flood_list(self._maps.flood, slot, domain)
        remotes = [(at.member, at.remote.ip()) for at in places if at.member in {tunnel, NOBODY}]
        segment = Segment(
            name=name,
            vni=domain.vni,
            remotes=tuple(remote for _, remote in remotes if remote and remote != group),
            dead=tuple(remote for at, remote in remotes if remote and at == NOBODY),
            flood_to_dead=not domain.flags & DOMAIN_ALIVE,
            group=group,
            ageing=domain.ageing // 10**9,
            learning=bool(domain.flags & DOMAIN_LEARNING),
            maxaddress=domain.maxaddress,
            storm_control=domain.storm_control,
            storm_control_total=domain.storm_control_total,
            max_moves=domain.max_moves,
            inner_vlan=bool(domain.flags & DOMAIN_TAGS),
            **header_of(member or Member()),
            senders=self._senders.of(member.senders) if member else None,
        )
        fault = self._flood_fault(slot, domain, places)
        if not member or not all(map(self._maps.arrivals.get, arrivals(value, domain.vni))):
            fault = "half made"
        elif FilterEntry(domain.vni, group) not in around.taken:
            fault = f"VNI {domain.vni} is missing in {overlay_name(value.dstport)}"
        elif group and group not in around.joined:
            fault = f"this host is not in group {group}"
        elif group and group not in around.routed:
            fault = f"the route to group {group} is missing"
        return segment, around.moved or fault

    def _flood_fault(self, slot: int, domain: Domain, places: list[Place]) -> str:
        ports = set(self._slots.ports_of(slot))
        agrees = len(places) == domain.flood_count and ports <= {place.member for place in places}
        return "" if agrees else "its flood list does not agree with its ports"

    def _bfd(self) -> Bfd | None:
        value, slot = self._vtep, self._slots.bfd()
        if value is None or slot is None:
            return None
        taken = vnis(value.overlay) if value.overlay in self._present.by_index else frozenset()
        member = self._slots.members[slot]
        there, fault = bfd.read(self._maps, member.vni, self._senders.of(member.senders) or (), value, taken)
        if fault := self._moved(value) or fault:
            self._faults[there] = fault
            return None
        return there

    # ---- bridges and their tunnels ----

    def _bridges(self) -> list[Bridge]:
        bridges = []
        for slot in self._slots.bridges:
            domain = self._slots.domains[slot]
            bridge = Bridge(
                name=domain.name.decode(),
                ageing=domain.ageing // 10**9,
                maxaddress=domain.maxaddress,
                forward_bpdu=bool(domain.flags & DOMAIN_BPDU),
            )
            if fault := self._flood_fault(slot, domain, flood_list(self._maps.flood, slot, domain)):
                self._faults[bridge] = fault
            else:
                bridges.append(bridge)
        return bridges

    def _tunnels(self) -> list[Tunnel]:
        tunnels = []
        for slot in self._slots.tunnels_of_bridges:
            member = self._slots.members[slot]
            domain = self._slots.domains.get(member.domain)
            tunnel = tunnel_of(member, domain.name.decode() if domain else "", vlans_of(self._maps, slot, member))
            if fault := self._tunnel_fault(slot, member) if domain else "its bridge is gone":
                self._faults[tunnel] = fault
            else:
                tunnels.append(tunnel)
        return tunnels

    def _tunnel_fault(self, slot: int, member: Member) -> str:
        value = self._vteps.get(member.dstport)
        if value is None:
            return f"{overlay_name(member.dstport)} is gone"
        if fault := self._overlay_fault(value):
            return fault
        taken = self._maps.arrivals.get(arrival(member))
        return "" if taken and taken.value == slot else "half made"

    # ---- ports and static entries ----

    def _ports(self) -> list[tuple[int, Port]]:
        ports = []
        for slot in self._slots.ports:
            member = self._slots.members[slot]
            domain = self._slots.domains.get(member.domain)
            port = self._port(slot, member, domain)
            if fault := self._port_fault(slot, member, domain):
                self._faults[port] = fault
                self._broken_ports[slot] = port
            else:
                ports.append((slot, port))
        return ports

    def _port(self, slot: int, member: Member, domain: Domain | None) -> Port:
        name, is_internal = member.name.decode(), bool(member.flags & MEMBER_INTERNAL)
        in_bridge = domain is not None and domain.flags & DOMAIN_BRIDGE
        device = self._present.by_name.get(name) if in_bridge else None
        return Port(
            device=name,
            segment=domain.name.decode() if domain else "",
            vlans=vlans_of(self._maps, slot, member),
            internal=is_internal,
            mac=device.mac if device and is_internal else None,
            mtu=device.mtu if device else None,
            sources=self._sources.of(slot) if member.flags & MEMBER_SECURED else None,
            storm_control=member.storm_control or None,
        )

    def _port_fault(self, slot: int, member: Member, domain: Domain | None) -> str:
        name = member.name.decode()
        device = self._present.by_name.get(inner_name(name) if member.flags & MEMBER_INTERNAL else name)
        if domain is None or device is None:
            return "its segment is gone" if domain is None else "its device is gone"
        if device.index != member.ifindex:
            return "its device is another one of the same name"
        if not device.up and not domain.flags & DOMAIN_BRIDGE:
            return DEVICE_DOWN
        entry = self._maps.ports.get(c_uint32(device.index))
        if entry is None or entry.value != slot or not is_attached(device.index, ACCESS, self._maps.instance):
            return "no program on its device"
        if bool(member.flags & MEMBER_PEER) != takes_peer(device, domain):
            return "its veth peer has moved, or went up or down"
        return ""

    def _static(self, ports: dict[int, Port]) -> list[FdbEntry]:
        entries = []
        for key, value in self._maps.fdb.items():
            domain = self._slots.domains.get(key.domain)
            if not value.flags & FDB_STATIC or domain is None:
                continue
            mac, segment = format_mac(bytes(key.mac)), domain.name.decode()
            if remote := value.place.remote.ip():
                entries.append(FdbEntry(segment=segment, mac=mac, remote=remote))
            elif port := ports.get(value.place.member):
                entries.append(FdbEntry(segment=segment, mac=mac, port=port.device))
            elif port := self._broken_ports.get(value.place.member):
                entry = FdbEntry(segment=segment, mac=mac, port=port.device)
                self._faults[entry] = f"port {port.device}: {self._faults[port]}"
        return sorted(entries, key=lambda e: (e.segment, e.mac))


def takes_peer(device: Device, domain: Domain) -> bool:
    """Tell whether frames may be put straight into the device's other end: a veth, that end elsewhere, and up.

    Not in a bridge: who captures on one of its ports is used to see what goes out there, and its ports may be the way
    to the underlay.
    """
    return device.peer_elsewhere and device.carrier and not domain.flags & DOMAIN_BRIDGE
