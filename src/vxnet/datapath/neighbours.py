# SPDX-License-Identifier: Apache-2.0
"""Addresses of segments for which ARP and ND are answered here: the map `neighbours`."""

from __future__ import annotations

from ctypes import c_uint8
from ipaddress import ip_address
from typing import TYPE_CHECKING

from vxnet.datapath.layout import Address, NeighbourKey, NeighbourValue
from vxnet.errors import KernelError
from vxnet.model import Neighbour
from vxnet.packet.mac import format_mac, parse_mac

if TYPE_CHECKING:
    from vxnet.datapath.maps import Maps
    from vxnet.datapath.slots import Occupied, Slots


def add(maps: Maps, slots: Slots, neighbour: Neighbour) -> None:
    """Write the entry, over one with another MAC if there is one."""
    domain = slots.domain_of(neighbour.segment)
    if domain is None:
        message = f"neighbour {neighbour.address}: {neighbour.segment} is not there"
        raise KernelError(message)
    maps.neighbours.put(_key(domain, neighbour), NeighbourValue((c_uint8 * 6)(*parse_mac(neighbour.mac))))


def remove(maps: Maps, slots: Slots, neighbour: Neighbour) -> None:
    """Delete the entry; who asks for the address is heard by all again."""
    if domain := slots.domain_of(neighbour.segment):
        maps.neighbours.remove(_key(domain, neighbour))


def neighbours_of(maps: Maps, slots: Occupied) -> list[Neighbour]:
    """Return all there are, by segment and address."""
    entries = [
        Neighbour(
            segment=slots.domains[key.domain].name.decode(),
            address=str(key.address.ip()),
            mac=format_mac(bytes(value.mac)),
        )
        for key, value in maps.neighbours.items()
        if key.domain in slots.domains
    ]
    return sorted(entries, key=lambda entry: (entry.segment, entry.address))


def sweep(maps: Maps, slots: Slots) -> None:
    """Delete those of segments that are no more, before others get their slots."""
    for key in [key for key, _ in maps.neighbours.items() if key.domain not in slots.domains]:
        maps.neighbours.remove(key)


def _key(domain: int, neighbour: Neighbour) -> NeighbourKey:
    return NeighbourKey(domain, Address.of(ip_address(neighbour.address)))
