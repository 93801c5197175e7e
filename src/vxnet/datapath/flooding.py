# SPDX-License-Identifier: Apache-2.0
"""Flood lists (rule 4): the places that BUM of a domain goes to, local ports first, then through its tunnels.

A list is never changed where programs read it: a new one is written beside it under the next version, the domain is
switched over with one store of (version, count), and the old one is taken away.

A remote that is left out, as it is dead, keeps its place on the list, under nobody (member 0), to whom nothing goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.datapath.layout import DOMAIN_BRIDGE, Domain, FloodKey, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vxnet.datapath.maps import Map, Maps
    from vxnet.datapath.slots import Slots

NOBODY = 0
"""The member under which a remote is on the list that is left out."""


def flood_list(flood: Map[FloodKey, Place], slot: int, domain: Domain) -> list[Place]:
    """Return the list in force; shorter than ``domain.flood_count`` only if it was damaged."""
    places = (flood.get(FloodKey(slot, domain.flood_version, index)) for index in range(domain.flood_count))
    return [place for place in places if place]


def rewrite(maps: Maps, slots: Slots, slot: int) -> None:
    """Write the domain's list anew: all its ports, and the places its tunnels are for."""
    rewrite_all(maps, slots, {slot: through_tunnels(maps.flood, slots, slot)})


def rewrite_all(maps: Maps, slots: Slots, remotes: Mapping[int, Sequence[Place]]) -> None:
    """Write lists anew: of each of these domains all its ports, and the places on the underlay given here."""
    old = {slot: Domain.from_buffer_copy(slots.domains[slot]) for slot in remotes}
    new = {slot: Domain.from_buffer_copy(domain) for slot, domain in old.items()}
    elements: list[tuple[FloodKey, Place]] = []
    for slot, domain in new.items():
        places = [*map(Place, slots.ports_of(slot)), *remotes[slot]]
        domain.flood_version = (domain.flood_version + 1) & 0xFFFFFFFF
        domain.flood_count = len(places)
        elements += ((FloodKey(slot, domain.flood_version, index), place) for index, place in enumerate(places))
    maps.flood.put_all(elements)
    slots.put_domains(new)
    for slot, domain in old.items():
        clear(maps, slot, domain)


def through_tunnels(flood: Map[FloodKey, Place], slots: Slots, slot: int) -> list[Place]:
    """Return the places on the underlay that BUM of the domain is to go to: a bridge's tunnels, a segment's remotes.

    Remotes that are left out are among them.
    """
    domain, tunnels = slots.domains[slot], slots.tunnels_of(slot)
    if domain.flags & DOMAIN_BRIDGE:
        return [Place(tunnel, slots.members[tunnel].remote) for tunnel in tunnels if slots.members[tunnel].remote.ip()]
    return [place for place in flood_list(flood, slot, domain) if place.member in {*tunnels, NOBODY}]


def clear(maps: Maps, slot: int, domain: Domain) -> None:
    """Take away the list that ``domain`` names."""
    for index in range(domain.flood_count):
        maps.flood.remove(FloodKey(slot, domain.flood_version, index))
