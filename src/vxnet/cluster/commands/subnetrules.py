# SPDX-License-Identifier: Apache-2.0
"""What a subnet can be: its prefix, gateway, pools, modes of IPv6, name servers and routes."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from vxnet.cluster.commands.errors import (
    bad_pool,
    gateway_in_pool,
    invalid_input,
    pool_outside,
    pools_overlap,
)
from vxnet.cluster.records import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from vxnet.cluster.records import Route, Subnet

Prefix = IPv4Network | IPv6Network

AUTOMATIC: Final = frozenset({"slaac", "dhcpv6-stateless"})
"""The modes in which a machine makes its own address of its MAC (RFC 4862, RFC 4291 appendix A)."""


def is_automatic(subnet: Subnet) -> bool:
    """Whether the addresses of a subnet's ports follow from their MACs."""
    return subnet.ipv6_address_mode in AUTOMATIC or subnet.ipv6_ra_mode in AUTOMATIC


def prefix_of(subnet: Subnet) -> Prefix:
    """Return the addresses of a subnet."""
    return ip_network(subnet.cidr)


# ---- the prefix ----


def check_prefix(cidr: Prefix, *, version: int, dhcp: bool) -> None:
    """Refuse a prefix that no subnet can have."""
    if cidr.version != version:
        raise invalid_input(f"cidr '{cidr}' does not match the ip_version '{version}'")
    if cidr.prefixlen == 0:
        raise invalid_input("0 is not allowed as CIDR prefix length")
    if cidr.version == 6 and int(cidr.network_address) == 0:
        raise invalid_input("IPv6 subnet '::' is not supported")
    if not dhcp:
        return
    if cidr.prefixlen > cidr.max_prefixlen - 2:
        raise invalid_input(f"cidr '{cidr}' has no room for DHCP; with enable_dhcp false it may be that small")
    if cidr.is_multicast or cidr.is_loopback or int(cidr.network_address) == 0:
        raise invalid_input(f"cidr '{cidr}' are no addresses that DHCP could give to machines")


def check_overlap(cidr: Prefix, network_id: str, others: Iterable[Subnet]) -> None:
    """Refuse a prefix of which another subnet of the network has addresses."""
    for other in others:
        if cidr.version == other.ip_version and cidr.overlaps(prefix_of(other)):
            raise invalid_input(
                f"Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet"
            )


# ---- which of its addresses are for whom ----


def usable(cidr: Prefix) -> tuple[int, int]:
    """Return the first and the last address that machines can have.

    IPv4's first is the network's and its last the broadcast address (RFC 922), but in a /31 (RFC 3021) and a /32.
    IPv6's first is every router's (RFC 4291 section 2.6.1), but in a /127 (RFC 6164) and a /128.
    """
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if cidr.prefixlen > cidr.max_prefixlen - 2:
        return first, last
    return first + 1, last - 1 if cidr.version == 4 else last


def is_usable(cidr: Prefix, address: str) -> bool:
    """Whether a machine can have this address."""
    first, last = usable(cidr)
    parsed = ip_address(address)
    return parsed.version == cidr.version and first <= int(parsed) <= last


def default_gateway(cidr: Prefix) -> str | None:
    """Return the first address for machines; of one address alone nobody is the gateway."""
    return None if cidr.num_addresses == 1 else str(_address(cidr, int(cidr.network_address) + 1))


def check_gateway(cidr: Prefix, gateway: str) -> None:
    """Refuse a gateway that cannot be one. It may be outside the prefix, as a link-local one of IPv6 is."""
    parsed = ip_address(gateway)
    if parsed.version != cidr.version:
        raise invalid_input(f"gateway_ip '{gateway}' does not match the ip_version '{cidr.version}'")
    if cidr.version == 4 and parsed in cidr and not is_usable(cidr, gateway):
        raise invalid_input(f"Gateway is not valid on subnet: {gateway} in {cidr}")


def default_pools(cidr: Prefix, gateway: str | None) -> tuple[Pool, ...]:
    """Return all addresses for machines but the gateway's."""
    first, last = usable(cidr)
    there = int(ip_address(gateway)) if gateway and ip_address(gateway) in cidr else None
    spans = [(first, last)] if there is None else [(first, there - 1), (there + 1, last)]
    return tuple(
        Pool(str(_address(cidr, max(low, first))), str(_address(cidr, high))) for low, high in spans if low <= high
    )


def check_pools(cidr: Prefix, gateway: str | None, pools: Sequence[Pool]) -> tuple[Pool, ...]:
    """Return the pools, lowest first; refuse those that are not inside, overlap, or have the gateway in them."""
    spans = sorted((_span(cidr, pool), pool) for pool in pools)
    for (one, first), (two, second) in pairwise(spans):
        if two[0] <= one[1]:
            raise pools_overlap(_words(first), _words(second), str(cidr))
    for (low, high), pool in spans:
        if gateway and ip_address(gateway) in cidr and low <= int(ip_address(gateway)) <= high:
            raise gateway_in_pool(gateway, _words(pool))
    return tuple(pool for _, pool in spans)


def _span(cidr: Prefix, pool: Pool) -> tuple[int, int]:
    start, end = ip_address(pool.start), ip_address(pool.end)
    if start.version != cidr.version or end.version != cidr.version:
        raise bad_pool(_words(pool), f"{cidr} is of IP version {cidr.version}")
    if int(start) > int(end):
        raise bad_pool(_words(pool), "it ends before it starts")
    if not is_usable(cidr, pool.start) or not is_usable(cidr, pool.end):
        raise pool_outside(_words(pool), str(cidr))
    return int(start), int(end)


def _words(pool: Pool) -> str:
    return f"{pool.start}-{pool.end}"


def _address(cidr: Prefix, number: int) -> IPv4Address | IPv6Address:
    return type(cidr.network_address)(number)


# ---- what machines are told ----


def check_modes(cidr: Prefix, ra: str | None, address: str | None, *, dhcp: bool) -> None:
    """Refuse modes of IPv6 that no machine could follow."""
    if ra is None and address is None:
        return
    if cidr.version == 4:
        raise invalid_input("ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4")
    if ra and address and ra != address:
        raise invalid_input(f"ipv6_ra_mode '{ra}' and ipv6_address_mode '{address}' must be the same if both are set")
    if not dhcp:
        raise invalid_input("ipv6_ra_mode and ipv6_address_mode cannot be set when enable_dhcp is False")
    if {ra, address} & AUTOMATIC and cidr.prefixlen != 64:
        raise invalid_input(f"cidr '{cidr}': addresses that follow from MACs (EUI-64) need a /64")


def check_told(version: int, nameservers: Iterable[str], routes: Iterable[Route]) -> None:
    """Refuse name servers and routes of the other IP version."""
    for server in nameservers:
        if ip_address(server).version != version:
            raise invalid_input(f"dns_nameserver '{server}' does not match the ip_version '{version}'")
    for route in routes:
        if ip_network(route.destination).version != version or ip_address(route.nexthop).version != version:
            raise invalid_input(f"host route to '{route.destination}' does not match the ip_version '{version}'")
