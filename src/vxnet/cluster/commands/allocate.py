# SPDX-License-Identifier: Apache-2.0
"""Choosing VNIs, MACs and addresses that nobody has: by the replica, and by what was chosen in this decision already.

Whether nobody has them in the store, the transaction asks: each choice becomes a claim.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from vxnet.cluster.commands.errors import (
    IpAddressGenerationFailure,
    IpAddressInUse,
    MacAddressInUse,
    NoNetworkAvailable,
    TunnelIdInUse,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vxnet.cluster.records import Subnet
    from vxnet.cluster.replica import Replica

MAC_PREFIX = "fa:16:3e"
"""What MACs begin with that OpenStack gives (base_mac)."""


class Choices:
    """What one decision has chosen so far. ``spread``: choose among that many free addresses instead of the lowest."""

    def __init__(self, replica: Replica, spread: int = 1) -> None:
        self._replica = replica
        self._spread = spread
        self._vnis: set[int] = set()
        self._macs: set[tuple[str, str]] = set()
        self._addresses: defaultdict[str, set[int]] = defaultdict(set)

    def vni(self, ranges: Sequence[tuple[int, int]]) -> int:
        """Return the lowest free VNI of the ranges."""
        taken = self._replica.vnis
        for first, last in ranges:
            vni = taken.lowest(first, last)
            while vni is not None and vni in self._vnis:
                vni = taken.lowest(vni + 1, last)
            if vni is not None:
                self._vnis.add(vni)
                return vni
        text = ", ".join(f"{first}-{last}" for first, last in ranges)
        raise NoNetworkAvailable(f"all VNIs of {text} are taken; `vxnet server --vni-range` adds more")

    def take_vni(self, vni: int) -> int:
        """Choose this VNI."""
        if vni in self._replica.vnis or vni in self._vnis:
            raise TunnelIdInUse(f"VNI {vni} (provider:segmentation_id) belongs to another network")
        self._vnis.add(vni)
        return vni

    def mac(self, network_id: str) -> str:
        """Return a MAC that no port of the network has."""
        while True:
            mac = f"{MAC_PREFIX}:{secrets.token_bytes(3).hex(':')}"
            if not self._has_mac(network_id, mac):
                self._macs.add((network_id, mac))
                return mac

    def take_mac(self, network_id: str, mac: str) -> str:
        """Choose this MAC."""
        if self._has_mac(network_id, mac):
            raise MacAddressInUse(f"MAC {mac} belongs to another port of network {network_id}")
        self._macs.add((network_id, mac))
        return mac

    def _has_mac(self, network_id: str, mac: str) -> bool:
        return (network_id, mac) in self._macs or self._replica.port_with_mac(network_id, mac) is not None

    def address(self, subnet: Subnet) -> str:
        """Return a free address of the subnet's pools: the lowest, or one of the lowest ``spread``."""
        free = self._lowest(subnet)
        if not free:
            raise IpAddressGenerationFailure(f"no address is free in the pools of subnet {subnet.id} ({subnet.cidr})")
        number = secrets.choice(free)
        self._addresses[subnet.id].add(number)
        return str(_address(number, subnet))

    def _lowest(self, subnet: Subnet) -> list[int]:
        taken, mine = self._replica.addresses(subnet.id), self._addresses[subnet.id]
        free: list[int] = []
        for pool in subnet.allocation_pools:
            first, last = int(ip_address(pool.start)), int(ip_address(pool.end))
            number = taken.lowest(first, last)
            while number is not None and number <= last and len(free) < self._spread:
                if number not in taken and number not in mine:
                    free.append(number)
                number += 1
            if len(free) == self._spread:
                break
        return free

    def take_address(self, subnet: Subnet, address: str) -> str:
        """Choose this address, in a pool or not."""
        number = int(ip_address(address))
        if number in self._replica.addresses(subnet.id) or number in self._addresses[subnet.id]:
            raise IpAddressInUse(f"address {address} of subnet {subnet.id} belongs to another port")
        self._addresses[subnet.id].add(number)
        return address


def _address(number: int, subnet: Subnet) -> object:
    return type(ip_network(subnet.cidr).network_address)(number)
