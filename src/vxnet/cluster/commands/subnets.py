# SPDX-License-Identifier: Apache-2.0
"""Creating, changing and deleting subnets."""

from __future__ import annotations

import uuid
from collections import Counter
from ipaddress import IPv4Network, ip_address, ip_network
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands import quotas
from vxnet.cluster.commands.access import Context, changed, may_write, owned, stamps
from vxnet.cluster.commands.errors import InvalidInput, SubnetInUse
from vxnet.cluster.keys import addresses_of
from vxnet.cluster.records import Network, Pool, Subnet
from vxnet.cluster.writing import Decision, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv6Network

    from vxnet.cluster.commands.networks import Rules
    from vxnet.cluster.replica import Replica

    Prefix = IPv4Network | IPv6Network

_SLAAC_LENGTH = 64
_POINT_TO_POINT = 2
"""A prefix with this many addresses or fewer keeps none back (RFC 3021, RFC 6164)."""


def create(replica: Replica, context: Context, rules: Rules, asked: Sequence[dict[str, Any]]) -> Decision[list[Subnet]]:
    """Create subnets, all or none. Each counts as a change of its network, so that two that overlap cannot both win."""
    may_write(context.caller)
    subnets: list[Subnet] = []
    networks: dict[str, Network] = {}
    for values in asked:
        network = owned(replica, context, Network, values["network_id"])
        networks[network.id] = changed(network, context, {})
        subnet = _subnet(context, network, dict(values))
        _refuse_overlap(subnet, (*replica.subnets.where("network_id", network.id), *subnets))
        subnets.append(subnet)
    quotas.check(replica, rules.quotas, "subnet", Counter(subnet.project_id for subnet in subnets))
    return Decision(transaction(replica, put=[*networks.values(), *subnets]), subnets)


def _subnet(context: Context, network: Network, values: dict[str, Any]) -> Subnet:
    prefix = ip_network(values["cidr"])
    if prefix.version != values["ip_version"]:
        raise InvalidInput(f"cidr: {prefix} is not of IP version {values['ip_version']}")
    if not prefix.prefixlen or prefix.is_multicast or prefix.is_loopback:
        raise InvalidInput(f"cidr: {prefix} holds no addresses for machines")
    _check_modes(values, prefix)
    if "gateway_ip" not in values:
        values["gateway_ip"] = _first(prefix)
    if not values.get("allocation_pools"):
        values["allocation_pools"] = _all_but(prefix, values["gateway_ip"])
    subnet = Subnet(
        **{"project_id": network.project_id} | values | stamps(context, {"project_id": network.project_id} | values),
        id=str(uuid.uuid4()),
    )
    _check(subnet)
    return subnet


def _first(prefix: Prefix) -> str | None:
    """Return the first address that a machine can have; a prefix of one address has no gateway."""
    if prefix.num_addresses == 1:
        return None
    return str(prefix[0] if prefix.num_addresses == _POINT_TO_POINT else prefix[1])


def _all_but(prefix: Prefix, gateway: str | None) -> tuple[Pool, ...]:
    """Return all addresses of a prefix but the gateway's and those that are no machine's (RFC 4291, section 2.6.1)."""
    first, last = int(prefix[0]), int(prefix[-1])
    if prefix.num_addresses > _POINT_TO_POINT:
        first += 1
        last -= isinstance(prefix, IPv4Network)
    make = type(prefix[0])
    at = int(ip_address(gateway)) if gateway else first - 1
    spans = [(first, last)] if not first <= at <= last else [(first, at - 1), (at + 1, last)]
    return tuple(Pool(str(make(low)), str(make(high))) for low, high in spans if low <= high)


def _check_modes(values: dict[str, Any], prefix: Prefix) -> None:
    modes = {mode for mode in (values.get("ipv6_ra_mode"), values.get("ipv6_address_mode")) if mode}
    if modes and prefix.version == 4:
        raise InvalidInput("ipv6_ra_mode, ipv6_address_mode: are of IPv6 subnets alone")
    if len(modes) > 1:
        raise InvalidInput("ipv6_ra_mode, ipv6_address_mode: are not the same")
    if modes & {"slaac", "dhcpv6-stateless"} and prefix.prefixlen != _SLAAC_LENGTH:
        raise InvalidInput(f"cidr: {prefix} has not 64 bits, of which machines make their addresses (RFC 4862)")


def _check(subnet: Subnet) -> None:
    """InvalidInput for values that do not go together."""
    prefix = ip_network(subnet.cidr)
    _check_pools(subnet, prefix)
    if subnet.gateway_ip is not None:
        gateway = ip_address(subnet.gateway_ip)
        if gateway.version != prefix.version:
            raise InvalidInput(f"gateway_ip: {gateway} is not of IP version {prefix.version}")
        if gateway not in prefix and not gateway.is_link_local:
            raise InvalidInput(f"gateway_ip: {gateway} is not in {prefix}")
        for pool in subnet.allocation_pools:
            if int(ip_address(pool.start)) <= int(gateway) <= int(ip_address(pool.end)):
                raise InvalidInput(f"gateway_ip: {gateway} lies in the pool {pool.start} - {pool.end}")
    for server in subnet.dns_nameservers:
        if ip_address(server).version != prefix.version:
            raise InvalidInput(f"dns_nameservers: {server} is not of IP version {prefix.version}")
    for route in subnet.host_routes:
        if {ip_network(route.destination).version, ip_address(route.nexthop).version} != {prefix.version}:
            raise InvalidInput(
                f"host_routes: {route.destination} via {route.nexthop} is not of IP version {prefix.version}"
            )


def _check_pools(subnet: Subnet, prefix: Prefix) -> None:
    spans = []
    for pool in subnet.allocation_pools:
        start, end = ip_address(pool.start), ip_address(pool.end)
        if start not in prefix or end not in prefix:
            raise InvalidInput(f"allocation_pools: {start} - {end} is not in {prefix}")
        if int(start) > int(end):
            raise InvalidInput(f"allocation_pools: {start} - {end} ends before it begins")
        spans.append((int(start), int(end), pool))
    spans.sort(key=lambda span: span[:2])
    for (_, end_of_one, one), (start_of_other, _, other) in pairwise(spans):
        if start_of_other <= end_of_one:
            raise InvalidInput(f"allocation_pools: {one.start} - {one.end} and {other.start} - {other.end} overlap")


def _refuse_overlap(subnet: Subnet, others: Sequence[Subnet]) -> None:
    prefix = ip_network(subnet.cidr)
    for other in others:
        if other.network_id == subnet.network_id and other.id != subnet.id and _overlap(prefix, ip_network(other.cidr)):
            raise InvalidInput(f"cidr: {prefix} overlaps {other.cidr} of subnet {other.id} in the same network")


def _overlap(one: Prefix, other: Prefix) -> bool:
    return int(one[0]) <= int(other[-1]) and int(other[0]) <= int(one[-1]) and one.version == other.version


def update(replica: Replica, context: Context, name: str, values: dict[str, Any]) -> Decision[Subnet]:
    """Change a subnet. Addresses that ports have stay theirs, whatever becomes of the pools."""
    subnet = changed(owned(replica, context, Subnet, name), context, values)
    _check(subnet)
    return Decision(transaction(replica, put=[subnet]), subnet)


def delete(replica: Replica, context: Context, name: str) -> Decision[None]:
    """Delete a subnet of which no port has an address."""
    subnet = owned(replica, context, Subnet, name)
    if ports := len(replica.addresses(name)):
        raise SubnetInUse(f"ports have {ports} addresses of subnet {name}; delete those ports first")
    network = replica.networks.get(subnet.network_id)
    put = [changed(network, context, {})] if network else []
    return Decision(transaction(replica, put=put, delete=[subnet], empty=[addresses_of(name)]), None)
