# SPDX-License-Identifier: Apache-2.0
"""Who gets which VNI, MAC and address: what was asked for if it is free, else the lowest that is.

What is free is known from the replica; that it still is when the decision is committed, the claims prove (keys.py).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from vxnet.cluster.commands.errors import address_in_use, mac_in_use, no_network_available, tunnel_in_use

if TYPE_CHECKING:
    from collections.abc import Container

    from vxnet.cluster.commands.draft import Draft
    from vxnet.cluster.records import Subnet
    from vxnet.cluster.replica import Numbers

_VNI_PATIENCE = 8
"""How many free VNIs to pass over are worth nothing: servers race for VNIs seldom, and people like them in a row."""


def vni(draft: Draft, asked: int | None) -> int:
    """Return the VNI of a new network: any that is asked for and free, else the lowest free one of the ranges."""
    taken = draft.replica.vnis
    if asked is not None:
        if asked in taken or asked in draft.vnis:
            raise tunnel_in_use(asked)
        draft.vnis.add(asked)
        return asked
    skip = max(0, draft.act.skip - _VNI_PATIENCE)
    for first, last in draft.act.vni_ranges:
        found = _free(draft, "", taken=taken, here=draft.vnis, among=(first, last), skip=skip)
        if found is not None:
            draft.vnis.add(found)
            return found
    raise no_network_available()


def mac(draft: Draft, network_id: str, asked: str | None, own: str | None = None) -> str:
    """Return the MAC of a port: the one that is asked for, if no other port of the network has it, or a new one.

    ``own``: what the port has already.
    """
    if asked is None:
        asked = draft.act.new_mac()
        while not _mac_is_free(draft, network_id, asked):
            asked = draft.act.new_mac()
    elif asked != own and not _mac_is_free(draft, network_id, asked):
        raise mac_in_use(asked, network_id)
    draft.macs.add((network_id, asked))
    return asked


def _mac_is_free(draft: Draft, network_id: str, mac: str) -> bool:
    return (network_id, mac) not in draft.macs and draft.replica.port_with_mac(network_id, mac) is None


def this_address(draft: Draft, subnet: Subnet, address: str, own: Container[str] = ()) -> str:
    """Take one address of a subnet. ``own``: those that the port has already."""
    number = int(ip_address(address))
    here = draft.addresses.setdefault(subnet.id, set())
    if number in here or (address not in own and number in draft.replica.addresses(subnet.id)):
        raise address_in_use(address, subnet.id)
    here.add(number)
    return address


def any_address(draft: Draft, subnet: Subnet) -> str | None:
    """Take the lowest free address of a subnet's pools; None: there is none."""
    kind = IPv4Address if subnet.ip_version == 4 else IPv6Address
    taken = draft.replica.addresses(subnet.id)
    here = draft.addresses.setdefault(subnet.id, set())
    for pool in subnet.allocation_pools:
        first, last = int(kind(pool.start)), int(kind(pool.end))
        found = _free(draft, subnet.id, taken=taken, here=here, among=(first, last), skip=draft.act.skip)
        if found is not None:
            here.add(found)
            return str(kind(found))
    return None


def _free(
    draft: Draft, of: str, *, taken: Numbers, here: Container[int], among: tuple[int, int], skip: int
) -> int | None:
    """Return the lowest number that is free, or the one that stands ``skip`` free ones after it; None: all are taken.

    Where the draft found one before, it goes on: so a thousand ports in one request do not look at a thousand each.
    """
    first, last = among
    start = draft.lowest.get((of, first))
    number = taken.lowest(first, last) if start is None else start
    found = None
    while number is not None and number <= last:
        if number not in taken and number not in here:
            if found is None:
                draft.lowest[of, first] = number
            found = number
            if not skip:
                break
            skip -= 1
        number += 1
    return found
