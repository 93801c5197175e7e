# SPDX-License-Identifier: Apache-2.0
"""Reading the kernel back into a HostState: the actual side of the plan.

Nothing is remembered: what the maps, devices, filters and routes say is what there is. A port whose program was taken
off its device, a segment whose VNI is no longer in the VXLAN device's filter, is not "there": it is a fault, and the
plan makes it anew.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath.attach import is_attached
from vxnet.datapath.devices import devices, group_routes, joined_groups
from vxnet.datapath.flooding import flood_list
from vxnet.datapath.kernel import ACCESS, OVERLAY, UNDERLAY, find
from vxnet.datapath.layout import (
    DOMAIN_LEARNING,
    FDB_STATIC,
    MEMBER_PEER,
    MEMBER_PORT,
    ArrivalKey,
    Domain,
)
from vxnet.datapath.slots import Slots
from vxnet.datapath.vxlandev import FilterEntry, vnis
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep
from vxnet.packet.mac import format_mac
from vxnet.plan import Actual

if TYPE_CHECKING:
    from ipaddress import IPv4Address
    from pathlib import Path

    from vxnet.datapath.devices import Device, Devices
    from vxnet.datapath.kernel import Found
    from vxnet.plan import Value


def read(run_dir: Path) -> Actual:
    """Read what the daemon of ``run_dir`` has put into the kernel of this network namespace."""
    present = devices()
    found = find(run_dir, present)
    if not found:
        return Actual()
    with found.maps:
        return _Reader(found, present).read()


class _Reader:
    def __init__(self, found: Found, present: Devices) -> None:
        self._found = found
        self._present = present
        self._slots = Slots(found.maps)
        self._instance = found.maps.instance
        self._faults: dict[Value, str] = {}
        self._broken_ports: dict[int, Port] = {}

    def read(self) -> Actual:
        value = self._found.vtep
        local = value.local.ipv4()
        if local is None:
            return Actual()
        vtep = Vtep(local=local, dstport=value.dstport)
        fault = self._moved(local) or self._vtep_fault()
        if fault:
            self._faults[vtep] = fault
        ports = dict(self._ports())
        state = HostState(
            vtep=None if fault else vtep,
            segments=tuple(self._segments(self._moved(local))),
            ports=tuple(ports.values()),
            fdb=tuple(self._static(ports)),
        )
        return Actual(state, self._faults)

    def _moved(self, local: IPv4Address) -> str:
        underlay = self._present.by_index.get(self._found.vtep.underlay)
        gone = underlay is None or local not in underlay.addresses
        return f"{local} is no longer on the device it was on" if gone else ""

    def _vtep_fault(self) -> str:
        value, overlay = self._found.vtep, self._found.overlay
        underlay = self._present.by_index[value.underlay]
        if value.overlay != overlay.index or not overlay.up:
            return f"{overlay.name} is down"
        if not is_attached(overlay.index, OVERLAY, self._instance):
            return f"no program on {overlay.name}"
        if not is_attached(underlay.index, UNDERLAY, self._instance):
            return f"no program on {underlay.name}"
        if value.mtu != underlay.mtu:
            return f"the MTU of {underlay.name} is {underlay.mtu}, no longer {value.mtu}"
        return ""

    def _segments(self, moved: str) -> list[Segment]:
        """Return those that work. ``moved``: why none does, since the VXLAN device is going to be another one."""
        taken = vnis(self._found.overlay.index)
        routed = group_routes(self._found.vtep.underlay, self._found.vtep.dstport)
        joined = joined_groups(self._found.vtep.underlay)
        segments = []
        for slot, domain in sorted(self._slots.domains.items()):
            segment, fault = self._segment(slot, domain, taken, routed, joined)
            if fault := moved or fault:
                self._faults[segment] = fault
            else:
                segments.append(segment)
        return segments

    def _segment(
        self,
        slot: int,
        domain: Domain,
        taken: frozenset[FilterEntry],
        routed: frozenset[IPv4Address],
        joined: frozenset[IPv4Address],
    ) -> tuple[Segment, str]:
        tunnel = self._slots.tunnel_of(slot)
        member = self._slots.members[tunnel] if tunnel else None
        group = member.group.ipv4() if member else None
        places = flood_list(self._found.maps, slot, domain)
        remotes = [place.remote.ipv4() for place in places if place.member == tunnel]
        segment = Segment(
            name=domain.name.decode(),
            vni=domain.vni,
            remotes=tuple(remote for remote in remotes if remote and remote != group),
            group=group,
            ageing=domain.ageing // 10**9,
            learning=bool(domain.flags & DOMAIN_LEARNING),
            maxaddress=domain.maxaddress,
        )
        value = self._found.vtep
        key = ArrivalKey(domain.vni, value.dstport, value.local)
        flooded = {place.member for place in places}
        fault = ""
        if not member or not self._found.maps.arrivals.get(key):
            fault = "half made"
        elif FilterEntry(domain.vni, group) not in taken:
            fault = f"VNI {domain.vni} is missing in {self._found.overlay.name}"
        elif group and group not in joined:
            fault = f"this host is not in group {group}"
        elif group and group not in routed:
            fault = f"the route to group {group} is missing"
        elif len(places) < domain.flood_count or not set(self._slots.ports_of(slot)) <= flooded:
            fault = "its flood list does not agree with its ports"
        return segment, fault

    def _ports(self) -> list[tuple[int, Port]]:
        ports = []
        for slot, member in sorted(self._slots.members.items()):
            if member.kind != MEMBER_PORT:
                continue
            name = member.name.decode()
            domain = self._slots.domains.get(member.domain)
            fault = self._port_fault(slot, self._present.by_name.get(name)) if domain else "its segment is gone"
            port = Port(device=name, segment=domain.name.decode() if domain else "")
            if fault:
                self._faults[port] = fault
                self._broken_ports[slot] = port
            else:
                ports.append((slot, port))
        return ports

    def _port_fault(self, slot: int, device: Device | None) -> str:
        member = self._slots.members[slot]
        if device is None:
            return "its device is gone"
        if device.index != member.ifindex:
            return "its device is another one of the same name"
        if not device.up:
            return "its device is down"
        entry = self._found.maps.ports.get(c_uint32(device.index))
        if entry is None or entry.value != slot or not is_attached(device.index, ACCESS, self._instance):
            return "no program on its device"
        if bool(member.flags & MEMBER_PEER) != takes_peer(device):
            return "its veth peer has moved, or went up or down"
        return ""

    def _static(self, ports: dict[int, Port]) -> list[FdbEntry]:
        entries = []
        for key, value in self._found.maps.fdb.items():
            domain = self._slots.domains.get(key.domain)
            if not value.flags & FDB_STATIC or domain is None:
                continue
            mac, segment = format_mac(bytes(key.mac)), domain.name.decode()
            if remote := value.place.remote.ipv4():
                entries.append(FdbEntry(segment=segment, mac=mac, remote=remote))
            elif port := ports.get(value.place.member):
                entries.append(FdbEntry(segment=segment, mac=mac, port=port.device))
            elif port := self._broken_ports.get(value.place.member):
                entry = FdbEntry(segment=segment, mac=mac, port=port.device)
                self._faults[entry] = f"port {port.device}: {self._faults[port]}"
        return sorted(entries, key=lambda e: (e.segment, e.mac))


def takes_peer(device: Device) -> bool:
    """Tell whether frames may be put straight into the device's other end: a veth, that end elsewhere, and up."""
    return device.peer_elsewhere and device.carrier
