# SPDX-License-Identifier: Apache-2.0
"""Making, changing and removing segments, many at a time: most of a segment's cost is asking the kernel.

What a frame meets last is written first, so that no program ever follows a reference to nothing:

    domains, lists of senders, tunnels -> flood -> arrivals -> VNI filter (the kernel joins groups) -> routes to groups

Removing goes the other way round.
"""

from __future__ import annotations

from ctypes import c_uint32
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import flooding, routes, vxlandev
from vxnet.datapath.layout import (
    DOMAIN_ALIVE,
    DOMAIN_LEARNING,
    DOMAIN_TAGS,
    LISTENING,
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
    from collections.abc import Container, Iterator, Sequence

    from vxnet.datapath.layout import VtepValue
    from vxnet.datapath.parts import Parts
    from vxnet.model import IPAddress, Segment


class _Made(NamedTuple):
    """A segment in its slots, and what group it was in."""

    segment: Segment
    domain: int
    tunnel: int
    is_new: bool
    old_group: IPAddress | None


def add(parts: Parts, segments: Sequence[Segment]) -> None:
    """Make segments, or bring what is there of them to these settings. Their ports and their FDB stay.

    An error is about one of them, and any of them may be half made: each can be made once more.
    """
    maps, slots, value = parts.maps, parts.slots, parts.vtep
    made = list(_placed(parts, segments))
    slots.put_domains({each.domain: _domain(parts, each) for each in made})
    lists = parts.senders.write(each.segment.senders for each in made)
    slots.put_members({each.tunnel: _tunnel(value, each, lists[each.segment.senders]) for each in made})
    parts.senders.keep(slots.lists)
    flooding.rewrite_all(maps, slots, {each.domain: _remotes(each) for each in made})
    maps.arrivals.put_all((key, c_uint32(each.tunnel)) for each in made for key in _arrivals(value, each.segment))
    _filter(value, made)
    for each in made:
        group = each.segment.group
        if group:
            routes.add_group_route(group, value.underlay, value.dstport)
        if each.old_group and each.old_group != group:
            _leave(parts, each.segment.vni, each.old_group, {each.segment.vni})


def _placed(parts: Parts, segments: Sequence[Segment]) -> Iterator[_Made]:
    """Give each the slots that it has, or free ones."""
    slots = parts.slots
    places = [(segment, slots.domain_of(segment.name), slots.tunnel(segment.name)) for segment in segments]
    domains = iter(slots.free_domains(sum(1 for _, domain, _ in places if domain is None)))
    tunnels = iter(slots.free_members(sum(1 for _, _, tunnel in places if tunnel is None)))
    for segment, domain, tunnel in places:
        group = slots.members[tunnel].group.ip() if tunnel else None
        yield _Made(
            segment,
            next(domains) if domain is None else domain,
            next(tunnels) if tunnel is None else tunnel,
            domain is None,
            group,
        )


def _domain(parts: Parts, made: _Made) -> Domain:
    segment = made.segment
    old = Domain() if made.is_new else parts.slots.domains[made.domain]
    return Domain(
        ageing=segment.ageing * 10**9,
        flood_version=old.flood_version,
        flood_count=old.flood_count,
        flags=(DOMAIN_LEARNING if segment.learning else 0)
        | (DOMAIN_TAGS if segment.inner_vlan else 0)
        | (0 if segment.flood_to_dead else DOMAIN_ALIVE),
        vni=segment.vni,
        maxaddress=segment.maxaddress,
        used=1,
        storm_control=segment.storm_control,
        storm_control_total=segment.storm_control_total,
        max_moves=segment.max_moves,
        name=segment.name.encode(),
    )


def _tunnel(value: VtepValue, made: _Made, senders: int) -> Member:
    segment = made.segment
    member = Member(
        kind=MEMBER_TUNNEL,
        domain=made.domain,
        vni=segment.vni,
        vni_out=segment.vni,
        dstport=value.dstport,
        senders=senders,
        local=value.local,
        group=Address.of(segment.group),
        name=segment.name.encode(),
    )
    describe_header(member, segment)
    return member


def _remotes(made: _Made) -> list[Place]:
    remotes, dead = (made.segment.group,) if made.segment.group else made.segment.remotes, frozenset(made.segment.dead)
    return [Place(flooding.NOBODY if at in dead else made.tunnel, Address.of(at)) for at in remotes]


def arrivals(value: VtepValue, vni: int) -> tuple[ArrivalKey, ...]:
    """Return the keys of the packets of a segment that are sent to the VTEP itself: two, if it has two addresses."""
    keys = tuple(ArrivalKey(vni, value.dstport, local) for local in (value.local, value.local6))
    return keys if bytes(value.local) != bytes(value.local6) else keys[:1]


def _arrivals(value: VtepValue, segment: Segment) -> Iterator[ArrivalKey]:
    yield from arrivals(value, segment.vni)
    if segment.group:
        for vni in (segment.vni, LISTENING):
            yield ArrivalKey(vni, value.dstport, Address.of(segment.group))


def _filter(value: VtepValue, made: Sequence[_Made]) -> None:
    """Let the VXLAN device take the VNIs, and be in their groups. What is as it should be is not touched."""
    wanted = [FilterEntry(each.segment.vni, each.segment.group) for each in made]
    if not all(each.is_new for each in made):
        wanted = list(_missing(value, wanted))
    # One after another where a group is to be joined: that can fail, and has to be said of the right one.
    plain = [entry for entry in wanted if entry.group is None]
    for entries in (plain, *([entry] for entry in wanted if entry.group)):
        _renew(value.overlay, entries)


def _missing(value: VtepValue, wanted: Sequence[FilterEntry]) -> Iterator[FilterEntry]:
    taken, joined = vxlandev.vnis(value.overlay), routes.joined_groups(value.underlay)
    for entry in wanted:
        if entry not in taken or not (entry.group is None or entry.group in joined):
            yield entry


def _renew(overlay: int, entries: Sequence[FilterEntry]) -> None:
    try:
        vxlandev.add_vnis(overlay, entries)
    except KernelError:
        # The kernel keeps a VNI whose group it could not join, and does not join for a VNI that it has. Once more, from
        # the beginning; and if it fails again, the next attempt must not take what is there for done.
        _drop(overlay, entries)
        try:
            vxlandev.add_vnis(overlay, entries)
        except KernelError:
            _drop(overlay, entries)
            raise


def _drop(overlay: int, entries: Sequence[FilterEntry]) -> None:
    """Take the VNIs no longer; not taking them is fine."""
    try:
        vxlandev.remove_vnis(overlay, entries)
    except KernelError:
        # The kernel stops at the first one that is not there.
        dropped = {entry.vni for entry in entries}
        there = [entry for entry in vxlandev.vnis(overlay) if entry.vni in dropped]
        vxlandev.remove_vnis(overlay, there)


def _leave(parts: Parts, vni: int, group: IPAddress, leaving: Container[int]) -> None:
    """Forget a segment's group; the last segment that leaves it takes the route and the common entry away.

    ``leaving`` are the VNIs of all that leave now: none of them is to be in the group again.
    """
    maps, value, address = parts.maps, parts.vtep, Address.of(group)
    maps.arrivals.remove(ArrivalKey(vni, value.dstport, address))
    members = (m for m in parts.slots.members.values() if m.kind == MEMBER_TUNNEL and m.vni not in leaving)
    if other := next((member for member in members if member.group.ip() == group), None):
        # The kernel leaves a group with the first VNI that does, though others of the same device are in it.
        if group not in routes.joined_groups(value.underlay):
            entry = FilterEntry(other.vni, group)
            _drop(value.overlay, [entry])
            _renew(value.overlay, [entry])
        return
    maps.arrivals.remove(ArrivalKey(LISTENING, value.dstport, address))
    if group in routes.group_routes(value.underlay, value.dstport):
        routes.remove_group_route(group, value.underlay, value.dstport)


def remove(parts: Parts, segments: Sequence[Segment]) -> None:
    """Take segments away; nothing there is fine."""
    maps, slots, value = parts.maps, parts.slots, parts.vtep
    there = {slot: slots.domains[slot] for s in segments if (slot := slots.domain_of(s.name)) is not None}
    leaving = {domain.vni for domain in there.values()}
    if value.overlay:
        _drop(value.overlay, [FilterEntry(vni) for vni in leaving])
    for slot, domain in there.items():
        for key in arrivals(value, domain.vni):
            maps.arrivals.remove(key)
        if tunnel := slots.tunnel(domain.name.decode()):
            if group := slots.members[tunnel].group.ip():
                _leave(parts, domain.vni, group, leaving)
            slots.free_member(tunnel)
        flooding.clear(maps, slot, domain)
        slots.free_domain(slot)
    parts.senders.keep(slots.lists)
