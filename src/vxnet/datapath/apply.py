# SPDX-License-Identifier: Apache-2.0
"""Carrying a plan out: each change becomes writes to maps and requests to netlink.

Making something that is there already, whole or half, repairs it: every step can be done again. The order inside a step is
that of the packets: what a frame meets last is written first, so that no program ever follows a reference to nothing.

    add segment   domain, tunnel -> flood list -> arrivals -> VNI filter (the kernel joins the group) -> route to the group
    add port      member -> ports -> flood list -> the program on the device
    remove ...    the other way round

Cached flows are void after every change: the epoch is counted up at the end.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import flooding, libbpf, vxlandev
from vxnet.datapath.actual import attached, takes_peer
from vxnet.datapath.checks import port_device, refuse_taken_port, underlay_of
from vxnet.datapath.kernel import ACCESS, HANDLE, OVERLAY, UNDERLAY, alias, find, load, overlay_name, require_root
from vxnet.datapath.layout import (
    DOMAIN_LEARNING,
    FDB_STATIC,
    LAYOUT_VERSION,
    MEMBER_PEER,
    MEMBER_PORT,
    MEMBER_TUNNEL,
    Address,
    ArrivalKey,
    Domain,
    FdbKey,
    FdbValue,
    Member,
    Place,
    VtepValue,
)
from vxnet.datapath.maps import Maps
from vxnet.datapath.slots import Slots
from vxnet.datapath.sweep import forget, sweep
from vxnet.datapath.vxlandev import FilterEntry
from vxnet.errors import HostError, KernelError
from vxnet.model import FdbEntry, Port, Segment, Vtep
from vxnet.packet.mac import parse_mac

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Address
    from pathlib import Path

    from vxnet.plan import Change

_ZERO = c_uint32(0)
_ANY_VNI = 0


class Datapath:
    """The switch in the kernel, to be changed. One at a time for each run directory."""

    def __init__(self, run_dir: Path) -> None:
        """Find what is there and put this build's programs in the place of older ones, atomically."""
        require_root()
        self._run_dir = run_dir
        self._programs: dict[str, int] = {}
        self._maps: Maps | None = None
        self._slots: Slots | None = None
        if found := find(run_dir):
            self._take(load(found.maps))
            self._replace_programs(found.vtep)

    @property
    def maps(self) -> Maps | None:
        """The maps, or None while there is no VTEP."""
        return self._maps

    def apply(self, changes: Iterable[Change], progress: Callable[[Change], None] = lambda _: None) -> None:
        """Make the changes in their order. What was done before an error stays done; the next plan goes on from there."""
        forgotten = False
        try:
            for change in changes:
                progress(change)
                match change.action, change.value:
                    case "remove", Vtep():
                        self._remove_vtep()
                    case "remove", Segment() as segment:
                        self._remove_segment(segment)
                        forgotten = True
                    case "remove", Port() as port:
                        self._remove_port(port)
                        forgotten = True
                    case "remove", FdbEntry() as entry:
                        self._remove_entry(entry)
                    case _, Vtep() as vtep:
                        self._add_vtep(vtep)
                    case _, Segment() as segment:
                        self._add_segment(segment)
                    case _, Port() as port:
                        self._add_port(port)
                    case _, FdbEntry() as entry:
                        self._add_entry(entry)
        finally:
            if self._maps and self._slots:
                if forgotten:
                    forget(self._maps, self._slots)
                self.touch()

    def touch(self) -> None:
        """Void every cached flow: the next frame of each asks the FDB and the routing table again."""
        if self._maps and (vtep := self._maps.vtep.get(_ZERO)):
            vtep.epoch = (vtep.epoch + 1) & 0xFFFFFFFF
            self._maps.vtep.put(_ZERO, vtep)

    def sweep(self, now: int) -> int:
        """Free what has aged out of the FDB by ``now`` (ns of CLOCK_MONOTONIC); return how many entries."""
        return sweep(self._maps, self._slots, now) if self._maps and self._slots else 0

    # ---- the VTEP ----------------------------------------------------------------------------------------------

    def _add_vtep(self, vtep: Vtep) -> None:
        present = net.devices()
        underlay = underlay_of(vtep, present)
        name = overlay_name(vtep.dstport)
        overlay = present.by_name.get(name)
        if overlay is None or overlay.alias != alias(self._run_dir):
            refuse_taken_port(vtep, present, self._run_dir)
            vxlandev.create(name, underlay=underlay.index, dstport=vtep.dstport)
            overlay = net.devices().by_name[name]
            net.set_alias(overlay.index, alias(self._run_dir))
        net.set_sysctl(f"ipv6/conf/{name}/disable_ipv6", "1")
        try:
            net.set_up(overlay.index)
        except KernelError as error:
            net.delete(overlay.index)
            message = f"UDP port {vtep.dstport} is in use by another program; choose another vtep.dstport ({error})"
            raise HostError(message) from error
        # bpf_fib_lookup() asks on behalf of this device, and is only answered where the host forwards.
        net.set_sysctl(f"ipv4/conf/{name}/forwarding", "1")
        if self._maps is None:
            self._take(load())
        maps, _ = self._parts()
        value = maps.vtep.get(_ZERO) or VtepValue()
        value.local = Address.of(vtep.local)
        value.underlay, value.overlay, value.mtu = underlay.index, overlay.index, underlay.mtu
        value.dstport, value.layout = vtep.dstport, LAYOUT_VERSION
        maps.vtep.put(_ZERO, value)
        for index, program in ((overlay.index, OVERLAY), (underlay.index, UNDERLAY)):
            libbpf.tc_attach(index, self._programs[program], HANDLE, vtep.dstport)

    def _remove_vtep(self) -> None:
        maps, _ = self._parts()
        value = maps.vtep.get(_ZERO) or VtepValue()
        libbpf.tc_detach(value.underlay, HANDLE, value.dstport)
        present = net.devices().by_index
        if value.underlay in present:
            net.remove_empty_clsact(value.underlay)
            for group in net.group_routes(value.underlay):
                net.remove_group_route(group, value.underlay)
        overlay = present.get(value.overlay)
        if overlay and overlay.alias == alias(self._run_dir):
            net.delete(overlay.index)
        self._drop()

    def _replace_programs(self, value: VtepValue) -> None:
        """Put this build's programs where programs of another build are. A device has one or the other at any moment."""
        _, slots = self._parts()
        places = [(value.overlay, OVERLAY), (value.underlay, UNDERLAY)]
        places += [(m.ifindex, ACCESS) for m in slots.members.values() if m.kind == MEMBER_PORT]
        for index, program in places:
            if attached(index, value.dstport, program):
                libbpf.tc_attach(index, self._programs[program], HANDLE, value.dstport)

    # ---- segments ----------------------------------------------------------------------------------------------

    def _add_segment(self, segment: Segment) -> None:
        maps, slots = self._parts()
        value = maps.vtep.get(_ZERO) or VtepValue()
        slot = slots.domain_of(segment.name)
        old = slots.domains[slot] if slot else Domain()
        old_tunnel = slots.tunnel_of(slot) if slot else None
        old_group = slots.members[old_tunnel].group.ipv4() if old_tunnel else None
        domain = Domain(
            ageing=segment.ageing * 10**9,
            flood_version=old.flood_version,
            flood_count=old.flood_count,
            flags=DOMAIN_LEARNING if segment.learning else 0,
            vni=segment.vni,
            maxaddress=segment.maxaddress,
            used=1,
            name=segment.name.encode(),
        )
        slot = slots.put_domain(slot, domain)
        tunnel = slots.put_member(
            old_tunnel,
            Member(
                kind=MEMBER_TUNNEL,
                domain=slot,
                vni=segment.vni,
                local=value.local,
                group=Address.of(segment.group),
            ),
        )
        remotes = (segment.group,) if segment.group else segment.remotes
        flooding.rewrite(maps, slots, slot, [Place(tunnel, Address.of(remote)) for remote in remotes])
        if old_group and old_group != segment.group:
            self._leave(segment.vni, old_group, value)
        maps.arrivals.put(ArrivalKey(segment.vni, value.dstport, value.local), c_uint32(tunnel))
        if segment.group:
            group = Address.of(segment.group)
            maps.arrivals.put(ArrivalKey(segment.vni, value.dstport, group), c_uint32(tunnel))
            maps.arrivals.put(ArrivalKey(_ANY_VNI, value.dstport, group), c_uint32(tunnel))
        wanted = FilterEntry(segment.vni, segment.group)
        taken = vxlandev.vnis(value.overlay)
        if wanted not in taken:
            vxlandev.remove_vnis(value.overlay, [e for e in taken if e.vni == segment.vni])
            vxlandev.add_vnis(value.overlay, [wanted])
        if segment.group:
            net.add_group_route(segment.group, value.underlay)

    def _leave(self, vni: int, group: IPv4Address, value: VtepValue) -> None:
        """Forget a segment's group; the last segment that leaves it takes the route and the common entry away."""
        maps, slots = self._parts()
        address = Address.of(group)
        maps.arrivals.remove(ArrivalKey(vni, value.dstport, address))
        if not any(m.kind == MEMBER_TUNNEL and m.vni != vni and m.group.ipv4() == group for m in slots.members.values()):
            maps.arrivals.remove(ArrivalKey(_ANY_VNI, value.dstport, address))
            if group in net.group_routes(value.underlay):
                net.remove_group_route(group, value.underlay)

    def _remove_segment(self, segment: Segment) -> None:
        maps, slots = self._parts()
        value = maps.vtep.get(_ZERO) or VtepValue()
        slot = slots.domain_of(segment.name)
        if slot is None:
            return
        domain = slots.domains[slot]
        vxlandev.remove_vnis(value.overlay, [e for e in vxlandev.vnis(value.overlay) if e.vni == domain.vni])
        maps.arrivals.remove(ArrivalKey(domain.vni, value.dstport, value.local))
        if tunnel := slots.tunnel_of(slot):
            if group := slots.members[tunnel].group.ipv4():
                self._leave(domain.vni, group, value)
            slots.free_member(tunnel)
        flooding.clear(maps, slot, domain)
        slots.free_domain(slot)

    # ---- ports -------------------------------------------------------------------------------------------------

    def _add_port(self, port: Port) -> None:
        maps, slots = self._parts()
        value = maps.vtep.get(_ZERO) or VtepValue()
        present = net.devices()
        device = port_device(port, present.by_index[value.underlay], present, self._run_dir)
        domain = slots.domain_of(port.segment)
        if domain is None:
            message = f"port {port.device}: segment {port.segment} is not there"
            raise KernelError(message)
        old = slots.port(port.device)
        if old and slots.members[old].domain != domain:
            self._remove_port(port)
            old = None
        if old and slots.members[old].ifindex != device.index:
            maps.ports.remove(c_uint32(slots.members[old].ifindex))
        if not device.up:
            net.set_up(device.index)
            device = net.devices().by_index[device.index]
        slot = slots.put_member(
            old,
            Member(
                kind=MEMBER_PORT,
                domain=domain,
                ifindex=device.index,
                flags=MEMBER_PEER if takes_peer(device) else 0,
                name=port.device.encode(),
            ),
        )
        maps.ports.put(c_uint32(device.index), c_uint32(slot))
        flooding.rewrite(maps, slots, domain)
        libbpf.tc_attach(device.index, self._programs[ACCESS], HANDLE, value.dstport)

    def _remove_port(self, port: Port) -> None:
        maps, slots = self._parts()
        value = maps.vtep.get(_ZERO) or VtepValue()
        slot = slots.port(port.device)
        if slot is None:
            return
        member = slots.members[slot]
        libbpf.tc_detach(member.ifindex, HANDLE, value.dstport)
        if member.ifindex in net.devices().by_index:
            net.remove_empty_clsact(member.ifindex)
        maps.ports.remove(c_uint32(member.ifindex))
        slots.free_member(slot)
        if member.domain in slots.domains:
            flooding.rewrite(maps, slots, member.domain)

    # ---- static entries ----------------------------------------------------------------------------------------

    def _add_entry(self, entry: FdbEntry) -> None:
        maps, slots = self._parts()
        domain = slots.domain_of(entry.segment)
        member = slots.port(entry.port) if entry.port else slots.tunnel_of(domain or 0)
        if domain is None or member is None:
            message = f"static entry {entry.mac}: {entry.port or entry.segment} is not there"
            raise KernelError(message)
        maps.fdb.put(_key(domain, entry.mac), FdbValue(Place(member, Address.of(entry.remote)), FDB_STATIC, 0))

    def _remove_entry(self, entry: FdbEntry) -> None:
        maps, slots = self._parts()
        if domain := slots.domain_of(entry.segment):
            maps.fdb.remove(_key(domain, entry.mac))

    # ---- the parts ---------------------------------------------------------------------------------------------

    def _take(self, loaded: libbpf.Loaded) -> None:
        self._programs = loaded.programs
        self._maps = Maps(loaded.maps)
        self._slots = Slots(self._maps)

    def _drop(self) -> None:
        maps, _ = self._parts()
        libbpf.close_all(self._programs.values())
        maps.close()
        self._programs, self._maps, self._slots = {}, None, None

    def _parts(self) -> tuple[Maps, Slots]:
        if self._maps is None or self._slots is None:
            message = "there is no VTEP to change; this is a defect of the plan"
            raise KernelError(message)
        return self._maps, self._slots


def _key(domain: int, mac: str) -> FdbKey:
    return FdbKey.from_buffer_copy(bytes(FdbKey(domain, 0))[:6] + parse_mac(mac))
