# SPDX-License-Identifier: Apache-2.0
"""Making, changing and removing a segment.

What a frame meets last is written first, so that no program ever follows a reference to nothing:

    domain, senders, tunnel -> flood list -> arrivals -> VNI filter (the kernel joins the group) -> route to the group

Removing goes the other way round.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING

from vxnet.datapath import flooding, routes, vxlandev
from vxnet.datapath.layout import (
    DOMAIN_LEARNING,
    DOMAIN_TAGS,
    LISTENING,
    MEMBER_KNOWN,
    MEMBER_TUNNEL,
    Address,
    ArrivalKey,
    Domain,
    Member,
    Place,
)
from vxnet.datapath.tunnelmember import describe_header
from vxnet.datapath.vxlandev import FilterEntry
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from vxnet.datapath.layout import VtepValue
    from vxnet.datapath.parts import Parts
    from vxnet.model import IPAddress, Segment


def add(parts: Parts, segment: Segment) -> None:
    """Make the segment, or bring what is there of it to these settings. Its ports and its FDB stay."""
    maps, slots, value = parts.maps, parts.slots, parts.vtep
    slot = slots.domain_of(segment.name)
    old = slots.domains[slot] if slot else Domain()
    tunnel = slots.tunnel(segment.name)
    old_group = slots.members[tunnel].group.ip() if tunnel else None
    slot = slots.put_domain(
        slot,
        Domain(
            ageing=segment.ageing * 10**9,
            flood_version=old.flood_version,
            flood_count=old.flood_count,
            flags=(DOMAIN_LEARNING if segment.learning else 0) | (DOMAIN_TAGS if segment.inner_vlan else 0),
            vni=segment.vni,
            maxaddress=segment.maxaddress,
            used=1,
            name=segment.name.encode(),
        ),
    )
    group = Address.of(segment.group)
    member = Member(
        kind=MEMBER_TUNNEL,
        domain=slot,
        flags=0 if segment.senders is None else MEMBER_KNOWN,
        vni=segment.vni,
        vni_out=segment.vni,
        dstport=value.dstport,
        local=value.local,
        group=group,
        name=segment.name.encode(),
    )
    describe_header(member, segment)
    tunnel = tunnel or slots.reserve_member()
    if segment.senders is not None:
        parts.senders.put(tunnel, segment.senders)
    slots.put_member(tunnel, member)
    if segment.senders is None:
        parts.senders.forget(tunnel)
    remotes = (segment.group,) if segment.group else segment.remotes
    flooding.rewrite(maps, slots, slot, [Place(tunnel, Address.of(remote)) for remote in remotes])
    for key in arrivals(value, segment.vni):
        maps.arrivals.put(key, c_uint32(tunnel))
    if segment.group:
        for vni in (segment.vni, LISTENING):
            maps.arrivals.put(ArrivalKey(vni, value.dstport, group), c_uint32(tunnel))
    _filter(value, segment, is_new=not old.used)
    if segment.group:
        routes.add_group_route(segment.group, value.underlay, value.dstport)
    if old_group and old_group != segment.group:
        _leave(parts, segment.vni, old_group)


def arrivals(value: VtepValue, vni: int) -> tuple[ArrivalKey, ...]:
    """Return the keys of the packets of a segment that are sent to the VTEP itself."""
    return tuple(ArrivalKey(vni, value.dstport, local) for local in (value.local, value.local6))


def _filter(value: VtepValue, segment: Segment, *, is_new: bool) -> None:
    """Let the VXLAN device take the VNI, and be in its group. What is as it should be is not touched."""
    wanted = FilterEntry(segment.vni, segment.group)
    if is_new or not _in_place(value, wanted):
        _renew(value.overlay, wanted)


def _in_place(value: VtepValue, wanted: FilterEntry) -> bool:
    joined = wanted.group is None or wanted.group in routes.joined_groups(value.underlay)
    return joined and wanted in vxlandev.vnis(value.overlay)


def _renew(overlay: int, entry: FilterEntry) -> None:
    try:
        vxlandev.add_vnis(overlay, [entry])
    except KernelError:
        # The kernel keeps a VNI whose group it could not join, and does not join for a VNI that it has. Once more, from
        # the beginning; and if it fails again, the next attempt must not take what is there for done.
        _drop(overlay, entry)
        try:
            vxlandev.add_vnis(overlay, [entry])
        except KernelError:
            _drop(overlay, entry)
            raise


def _drop(overlay: int, entry: FilterEntry) -> None:
    """Take the VNI no longer; not taking it is fine."""
    try:
        vxlandev.remove_vnis(overlay, [entry])
    except KernelError:
        if any(there.vni == entry.vni for there in vxlandev.vnis(overlay)):
            raise


def _leave(parts: Parts, vni: int, group: IPAddress) -> None:
    """Forget a segment's group; the last segment that leaves it takes the route and the common entry away."""
    maps, value, address = parts.maps, parts.vtep, Address.of(group)
    maps.arrivals.remove(ArrivalKey(vni, value.dstport, address))
    members = (m for m in parts.slots.members.values() if m.kind == MEMBER_TUNNEL and m.vni != vni)
    if other := next((member for member in members if member.group.ip() == group), None):
        # The kernel leaves a group with the first VNI that does, though others of the same device are in it.
        if group not in routes.joined_groups(value.underlay):
            _drop(value.overlay, FilterEntry(other.vni, group))
            _renew(value.overlay, FilterEntry(other.vni, group))
        return
    maps.arrivals.remove(ArrivalKey(LISTENING, value.dstport, address))
    if group in routes.group_routes(value.underlay, value.dstport):
        routes.remove_group_route(group, value.underlay, value.dstport)


def remove(parts: Parts, segment: Segment) -> None:
    """Take the segment away; nothing there is fine."""
    maps, slots, value = parts.maps, parts.slots, parts.vtep
    slot = slots.domain_of(segment.name)
    if slot is None:
        return
    domain = slots.domains[slot]
    _drop(value.overlay, FilterEntry(domain.vni, None))
    for key in arrivals(value, domain.vni):
        maps.arrivals.remove(key)
    if tunnel := slots.tunnel(segment.name):
        if group := slots.members[tunnel].group.ip():
            _leave(parts, domain.vni, group)
        slots.free_member(tunnel)
        parts.senders.forget(tunnel)
    flooding.clear(maps, slot, domain)
    slots.free_domain(slot)
