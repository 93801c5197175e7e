# SPDX-License-Identifier: Apache-2.0
"""Making, changing and removing a segment.

What a frame meets last is written first, so that no program ever follows a reference to nothing:

    domain, tunnel -> flood list -> arrivals -> VNI filter (here the kernel joins the group) -> route to the group

Removing goes the other way round.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath import devices as net
from vxnet.datapath import flooding, vxlandev
from vxnet.datapath.layout import (
    ANY_VNI,
    DOMAIN_LEARNING,
    MEMBER_TUNNEL,
    Address,
    ArrivalKey,
    Domain,
    Member,
    Place,
)
from vxnet.datapath.vxlandev import FilterEntry
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from vxnet.datapath.parts import Parts
    from vxnet.model import Segment


def add(parts: Parts, segment: Segment) -> None:
    """Make the segment, or bring what is there of it to these settings. Its ports and its FDB stay."""
    maps, slots, value = parts.maps, parts.slots, parts.vtep
    slot = slots.domain_of(segment.name)
    old = slots.domains[slot] if slot else Domain()
    tunnel = slots.tunnel_of(slot) if slot else None
    old_group = slots.members[tunnel].group.ipv4() if tunnel else None
    slot = slots.put_domain(
        slot,
        Domain(
            ageing=segment.ageing * 10**9,
            flood_version=old.flood_version,
            flood_count=old.flood_count,
            flags=DOMAIN_LEARNING if segment.learning else 0,
            vni=segment.vni,
            maxaddress=segment.maxaddress,
            used=1,
            name=segment.name.encode(),
        ),
    )
    group = Address.of(segment.group)
    member = Member(kind=MEMBER_TUNNEL, domain=slot, vni=segment.vni, local=value.local, group=group)
    tunnel = slots.put_member(tunnel, member)
    remotes = (segment.group,) if segment.group else segment.remotes
    flooding.rewrite(maps, slots, slot, [Place(tunnel, Address.of(remote)) for remote in remotes])
    if old_group and old_group != segment.group:
        _leave(parts, segment.vni, old_group)
    maps.arrivals.put(ArrivalKey(segment.vni, value.dstport, value.local), c_uint32(tunnel))
    if segment.group:
        for vni in (segment.vni, ANY_VNI):
            maps.arrivals.put(ArrivalKey(vni, value.dstport, group), c_uint32(tunnel))
    _filter(value.overlay, segment)
    if segment.group:
        net.add_group_route(segment.group, value.underlay)


def _filter(overlay: int, segment: Segment) -> None:
    wanted, taken = FilterEntry(segment.vni, segment.group), vxlandev.vnis(overlay)
    if wanted not in taken:
        vxlandev.remove_vnis(overlay, [entry for entry in taken if entry.vni == segment.vni])
        try:
            vxlandev.add_vnis(overlay, [wanted])
        except KernelError:
            # The kernel keeps a VNI whose group it could not join: the next attempt must not take that for done.
            vxlandev.remove_vnis(overlay, [wanted])
            raise


def _leave(parts: Parts, vni: int, group: IPv4Address) -> None:
    """Forget a segment's group; the last segment that leaves it takes the route and the common entry away."""
    maps, value, address = parts.maps, parts.vtep, Address.of(group)
    maps.arrivals.remove(ArrivalKey(vni, value.dstport, address))
    others = (m for m in parts.slots.members.values() if m.kind == MEMBER_TUNNEL and m.vni != vni)
    if not any(member.group.ipv4() == group for member in others):
        maps.arrivals.remove(ArrivalKey(ANY_VNI, value.dstport, address))
        if group in net.group_routes(value.underlay):
            net.remove_group_route(group, value.underlay)


def remove(parts: Parts, segment: Segment) -> None:
    """Take the segment away; nothing there is fine."""
    maps, slots, value = parts.maps, parts.slots, parts.vtep
    slot = slots.domain_of(segment.name)
    if slot is None:
        return
    domain = slots.domains[slot]
    vxlandev.remove_vnis(value.overlay, [e for e in vxlandev.vnis(value.overlay) if e.vni == domain.vni])
    maps.arrivals.remove(ArrivalKey(domain.vni, value.dstport, value.local))
    if tunnel := slots.tunnel_of(slot):
        if group := slots.members[tunnel].group.ipv4():
            _leave(parts, domain.vni, group)
        slots.free_member(tunnel)
    flooding.clear(maps, slot, domain)
    slots.free_domain(slot)
