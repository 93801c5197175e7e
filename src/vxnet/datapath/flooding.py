# SPDX-License-Identifier: Apache-2.0
"""Flood lists (rule 4): the places that BUM of a domain goes to, local ports first, then through its tunnels.

A list is never changed where programs read it: a new one is written beside it under the next version, the domain is
switched over with one store of (version, count), and the old one is taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath.layout import DOMAIN_BRIDGE, Domain, FloodKey, Place

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.slots import Slots


def flood_list(maps: Maps, slot: int, domain: Domain) -> list[Place]:
    """Return the list in force; shorter than ``domain.flood_count`` only if it was damaged."""
    places = (maps.flood.get(FloodKey(slot, domain.flood_version, index)) for index in range(domain.flood_count))
    return [place for place in places if place]


def rewrite(maps: Maps, slots: Slots, slot: int, remotes: list[Place] | None = None) -> None:
    """Write the domain's list anew: all its ports, and ``remotes``.

    None: a segment's are those it has, a bridge's those its tunnels are for.
    """
    domain = slots.domains[slot]
    old = Domain.from_buffer_copy(domain)
    if remotes is None:
        remotes = through_tunnels(maps, slots, slot)
    places = [Place(port) for port in slots.ports_of(slot)] + remotes
    domain.flood_version = (old.flood_version + 1) & 0xFFFFFFFF
    domain.flood_count = len(places)
    for index, place in enumerate(places):
        maps.flood.put(FloodKey(slot, domain.flood_version, index), place)
    slots.put_domain(slot, domain)
    clear(maps, slot, old)


def through_tunnels(maps: Maps, slots: Slots, slot: int) -> list[Place]:
    """Return the places on the underlay that BUM of the domain is to go to."""
    domain, tunnels = slots.domains[slot], slots.tunnels_of(slot)
    if domain.flags & DOMAIN_BRIDGE:
        return [Place(tunnel, slots.members[tunnel].remote) for tunnel in tunnels if slots.members[tunnel].remote.ip()]
    return [place for place in flood_list(maps, slot, domain) if place.member in tunnels]


def clear(maps: Maps, slot: int, domain: Domain) -> None:
    """Take away the list that ``domain`` names."""
    for index in range(domain.flood_count):
        maps.flood.remove(FloodKey(slot, domain.flood_version, index))
