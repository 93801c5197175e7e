# SPDX-License-Identifier: Apache-2.0
"""What a daemon that was killed in the middle of a change has left half done, and nothing in the maps leads to.

A change is many calls, in an order in which each of them leaves a switch that forwards; what is half made is a fault,
which the next plan repairs (actual.py). But some of what is written before the member or domain that it is for, or is
taken away after it, no plan would find. So whoever takes a switch over clears it away first:

    flood, sources, senders, trunks, arrivals, ports, overlays     elements of nobody
    fdb, neighbours                                                of what is no more, before its slot is another's
    devices of ours, programs, routes to groups                    that nobody's element names
    ports that are not below the bridge yet                        put there (headroom.py)

In the order of going down: what frames meet first goes first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vxnet.datapath import attach, headroom, neighbours, overlay, routes, segments, unfinished
from vxnet.datapath import devices as net
from vxnet.datapath.internal import inner_name
from vxnet.datapath.kernel import ACCESS, UNDERLAY, alias
from vxnet.datapath.layout import (
    DOMAIN_BRIDGE,
    LISTENING,
    MEMBER_INTERNAL,
    MEMBER_PORT,
    MEMBER_SECURED,
    MEMBER_SOME_VLANS,
    MEMBER_TUNNEL,
    ArrivalKey,
)
from vxnet.datapath.sweep import sweep
from vxnet.datapath.tunnelmember import arrival

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.datapath.devices import Device
    from vxnet.datapath.layout import Member
    from vxnet.datapath.parts import Parts


def clear(parts: Parts) -> None:
    """Take away what nobody's element leads to; nothing there is fine."""
    for dstport in [value.dstport for _, value in parts.maps.vteps.items() if not any(value.local.raw)]:
        overlay.remove_unused(parts, dstport)
    _programs(parts)
    _elements(parts)
    _devices(parts)
    _routes(parts)
    neighbours.sweep(parts.maps, parts.slots)
    sweep(parts.maps, parts.slots, time.monotonic_ns())


def _programs(parts: Parts) -> None:
    members = parts.slots.members.values()
    leading = {member.ifindex for member in members if member.kind == MEMBER_TUNNEL} | {parts.vtep.underlay}
    places = {ACCESS: {m.ifindex for m in members if m.kind == MEMBER_PORT}, UNDERLAY: leading}
    for found in attach.programs_of_all(net.devices().by_index):
        wanted = places.get(found.program.name)
        if wanted is not None and found.ifindex not in wanted and found.of(parts.maps.instance):
            attach.remove(found)


def _elements(parts: Parts) -> None:
    maps, domains, members = parts.maps, parts.slots.domains, parts.slots.members
    for flood, _ in list(maps.flood.items()):
        domain = domains.get(flood.domain)
        if not domain or flood.version != domain.flood_version or flood.index >= domain.flood_count:
            maps.flood.remove(flood)
    for trunk, _ in list(maps.trunks.items()):
        member = members.get(trunk.value)
        if not member or not member.flags & MEMBER_SOME_VLANS:
            maps.trunks.remove(trunk)
    for ifindex, at in list(maps.ports.items()):
        port = members.get(at.value)
        if not port or port.kind != MEMBER_PORT or port.ifindex != ifindex.value:
            maps.ports.remove(ifindex)
    overlays = {value.overlay for _, value in maps.vteps.items()}
    for ifindex, _ in list(maps.overlays.items()):
        if ifindex.value not in overlays:
            maps.overlays.remove(ifindex)
    _allowed(parts)
    _arrivals(parts)


def _allowed(parts: Parts) -> None:
    members = parts.slots.members.items()
    for slot in parts.sources.members - {slot for slot, member in members if member.flags & MEMBER_SECURED}:
        parts.sources.forget(slot)
    parts.senders.keep(parts.slots.lists)


def _arrivals(parts: Parts) -> None:
    """Those of tunnels to whom they lead, and of groups that some segment is in; see listening.py for addresses."""
    maps, members = parts.maps, parts.slots.members
    wanted = {bytes(key) for member in members.values() if member.kind != MEMBER_PORT for key in _keys(parts, member)}
    listening = {value.dstport for _, value in maps.vteps.items() if not any(value.local.raw)}
    for key, _ in list(maps.arrivals.items()):
        followed = key.vni == LISTENING and key.dstport in listening
        if bytes(key) not in wanted and not followed:
            maps.arrivals.remove(key)


def _keys(parts: Parts, tunnel: Member) -> Iterator[ArrivalKey]:
    domain = parts.slots.domains.get(tunnel.domain)
    if domain and domain.flags & DOMAIN_BRIDGE:
        yield arrival(tunnel)
        return
    yield from segments.arrivals(parts.vtep, tunnel.vni)
    if any(tunnel.group.raw):
        for vni in (tunnel.vni, LISTENING):
            yield ArrivalKey(vni, tunnel.dstport, tunnel.group)


def _devices(parts: Parts) -> None:
    unfinished.clear(parts.run_dir)
    present, mine = net.devices(), alias(parts.run_dir)
    overlays = {value.overlay for _, value in parts.maps.vteps.items()}
    members = parts.slots.members.values()
    inner = {inner_name(m.name.decode()) for m in members if m.kind == MEMBER_PORT and m.flags & MEMBER_INTERNAL}

    def of_nobody(device: Device) -> bool:
        is_bridge = device.kind == "bridge" and overlays
        return device.alias == mine and device.index not in overlays and device.name not in inner and not is_bridge

    for device in filter(of_nobody, present.by_index.values()):
        net.delete(device.index)
    for member in members:
        port = present.by_index.get(member.ifindex) if member.kind == MEMBER_PORT else None
        if port and not member.flags & MEMBER_INTERNAL and attach.is_attached(port.index, ACCESS, parts.maps.instance):
            headroom.announce(port, parts.run_dir, present)


def _routes(parts: Parts) -> None:
    value, members = parts.vtep, parts.slots.members.values()
    groups = {m.group.ip() for m in members if m.kind == MEMBER_TUNNEL}
    for group in routes.group_routes(value.underlay, value.dstport) - groups:
        routes.remove_group_route(group, value.underlay, value.dstport)
