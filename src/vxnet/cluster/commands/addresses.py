# SPDX-License-Identifier: Apache-2.0
"""Which addresses a port gets.

nothing said        the lowest free one of an IPv4 subnet and of an IPv6 subnet, the oldest that has any
subnet_id           the lowest free one there; a port that has one there keeps it
ip_address          that one, if the subnet (or the one subnet it is of) can give it
always              of each IPv6 subnet whose addresses follow from MACs, the one that follows from the port's
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import TYPE_CHECKING

import msgspec

from vxnet.cluster.commands import allocate, subnetrules
from vxnet.cluster.commands.errors import (
    invalid_input,
    no_more_addresses,
    not_in_network,
    not_in_subnet,
    subnet_not_found,
)
from vxnet.cluster.records import FixedIp
from vxnet.packet.mac import eui64 as interface_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vxnet.cluster.commands.draft import Draft
    from vxnet.cluster.records import Subnet


class Wish(msgspec.Struct, frozen=True):
    """What is asked for as one address of a port; None: not said."""

    subnet_id: str | None = None
    ip_address: str | None = None


def given(
    draft: Draft, network_id: str, mac: str, asked: Sequence[Wish] | None, own: tuple[FixedIp, ...] = ()
) -> tuple[FixedIp, ...]:
    """Return the addresses of a port with that MAC. ``asked`` None: whatever there is. ``own``: what it has now."""
    subnets = list(draft.subnets_of(network_id))
    chosen = list(
        _defaults(draft, network_id, subnets) if asked is None else _asked(draft, network_id, mac, asked, own)
    )
    for subnet in subnets:
        if subnetrules.is_automatic(subnet) and all(fixed.subnet_id != subnet.id for fixed in chosen):
            address = allocate.this_address(draft, subnet, eui64(subnet, mac), {fixed.ip_address for fixed in own})
            chosen.append(FixedIp(subnet.id, address))
    used = {fixed.subnet_id for fixed in chosen}
    for subnet in subnets:
        if subnet.id in used:
            draft.hold(subnet)
    return tuple(chosen)


def eui64(subnet: Subnet, mac: str) -> str:
    """Return the address that follows from a MAC in a /64 (RFC 4291 appendix A)."""
    return str(IPv6Address(int(subnetrules.prefix_of(subnet).network_address) | int.from_bytes(interface_id(mac))))


def _defaults(draft: Draft, network_id: str, subnets: list[Subnet]) -> Iterator[FixedIp]:
    for version in (4, 6):
        fitting = [s for s in subnets if s.ip_version == version and not subnetrules.is_automatic(s)]
        for subnet in fitting:
            address = allocate.any_address(draft, subnet)
            if address is not None:
                yield FixedIp(subnet.id, address)
                break
        else:
            if fitting:
                raise no_more_addresses(network_id, (subnet.id for subnet in fitting))


def _asked(
    draft: Draft, network_id: str, mac: str, asked: Sequence[Wish], own: tuple[FixedIp, ...]
) -> Iterator[FixedIp]:
    """Yield what is asked for, in that order. Addresses that are named are taken before others are looked for."""
    subnets = {subnet.id: subnet for subnet in draft.subnets_of(network_id)}
    places = [_place(draft, network_id, subnets, wish) for wish in asked]
    mine = {fixed.ip_address for fixed in own}
    for wish, subnet in zip(asked, places, strict=True):
        if wish.ip_address is not None:
            _check(subnet, wish.ip_address, mac)
            allocate.this_address(draft, subnet, wish.ip_address, mine)
    named = {wish.ip_address for wish in asked}
    kept = [fixed for fixed in own if fixed.ip_address not in named]
    for wish, subnet in zip(asked, places, strict=True):
        if wish.ip_address is not None:
            yield FixedIp(subnet.id, wish.ip_address)
        elif subnetrules.is_automatic(subnet):
            yield FixedIp(subnet.id, allocate.this_address(draft, subnet, eui64(subnet, mac), mine))
        elif same := next((fixed for fixed in kept if fixed.subnet_id == subnet.id), None):
            kept.remove(same)
            yield FixedIp(subnet.id, allocate.this_address(draft, subnet, same.ip_address, mine))
        else:
            address = allocate.any_address(draft, subnet)
            if address is None:
                raise no_more_addresses(network_id, [subnet.id])
            yield FixedIp(subnet.id, address)


def _place(draft: Draft, network_id: str, subnets: dict[str, Subnet], wish: Wish) -> Subnet:
    """Return the subnet that a wish is about."""
    if wish.subnet_id is not None:
        subnet = subnets.get(wish.subnet_id)
        if subnet is None and draft.replica.subnets.get(wish.subnet_id):
            raise invalid_input(f"fixed_ips: subnet {wish.subnet_id} is not of network {network_id}")
        if subnet is None:
            raise subnet_not_found(wish.subnet_id)
        return subnet
    if wish.ip_address is None:
        raise invalid_input("IP allocation requires subnet_id or ip_address")
    for subnet in subnets.values():
        if subnetrules.is_usable(subnetrules.prefix_of(subnet), wish.ip_address):
            return subnet
    raise not_in_network(wish.ip_address)


def _check(subnet: Subnet, address: str, mac: str) -> None:
    if not subnetrules.is_usable(subnetrules.prefix_of(subnet), address):
        raise not_in_subnet(address, subnet.cidr)
    if subnetrules.is_automatic(subnet) and address != eui64(subnet, mac):
        raise invalid_input(
            f"IPv6 address {address} cannot be directly assigned to a port on subnet {subnet.id},"
            f" whose addresses follow from MACs"
        )
