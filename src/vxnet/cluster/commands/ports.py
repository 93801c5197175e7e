# SPDX-License-Identifier: Apache-2.0
"""Creating, changing and deleting ports."""

from __future__ import annotations

import uuid
from collections import Counter
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import msgspec

from vxnet.cluster.commands import quotas
from vxnet.cluster.commands.access import Context, changed, found, may_write, owned, stamps
from vxnet.cluster.commands.allocate import Choices
from vxnet.cluster.commands.errors import InvalidInput
from vxnet.cluster.records import AddressPair, FixedIp, Network, Port, Subnet
from vxnet.cluster.writing import Decision, transaction
from vxnet.packet.mac import eui64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vxnet.cluster.commands.networks import Rules
    from vxnet.cluster.replica import Replica

_SLAAC = frozenset({"slaac", "dhcpv6-stateless"})
"""Modes in which machines make their addresses of their MACs."""


class AskedIp(msgspec.Struct, frozen=True):
    """An address that a caller asks for: any of this subnet, this one, or both."""

    subnet_id: str | None = None
    ip_address: str | None = None


class AskedPair(msgspec.Struct, frozen=True):
    """What a caller lets leave a port besides its own; ``mac_address`` None: from the port's MAC."""

    ip_address: str
    mac_address: str | None = None


def create(
    replica: Replica, context: Context, rules: Rules, asked: Sequence[dict[str, Any]], spread: int = 1
) -> Decision[list[Port]]:
    """Create ports, all or none. Their networks and subnets must stay as they are until then.

    ``spread``: choose addresses among so many; more than 1 when another server has just been faster.
    """
    may_write(context.caller)
    choices = Choices(replica, spread)
    ports: list[Port] = []
    around: dict[str, Network | Subnet] = {}
    for values in asked:
        network = found(replica, context, Network, values["network_id"])
        port = _port(replica, context, choices, network, dict(values))
        ports.append(port)
        around[network.id] = network
        for fixed in port.fixed_ips:
            around[fixed.subnet_id] = _subnet(replica, network.id, fixed.subnet_id)
    quotas.check(replica, rules.quotas, "port", Counter(port.project_id for port in ports))
    return Decision(transaction(replica, put=ports, unchanged=around.values()), ports)


def _port(replica: Replica, context: Context, choices: Choices, network: Network, values: dict[str, Any]) -> Port:
    values.pop("security_groups", None)
    _say_nowhere(values)
    if values.get("mac_address"):
        mac = choices.take_mac(network.id, values.pop("mac_address"))
    else:
        mac = choices.mac(network.id)
    asked = values.pop("fixed_ips", None)
    if asked is None:
        fixed = _by_default(replica, choices, network, mac)
    else:
        fixed = tuple(_fixed(replica, choices, network, mac, ip) for ip in asked)
    pairs = _pairs(values.pop("allowed_address_pairs", ()), mac)
    port = Port(
        **{"port_security_enabled": network.port_security_enabled} | values | stamps(context, values),
        id=str(uuid.uuid4()),
        mac_address=mac,
        fixed_ips=fixed,
        allowed_address_pairs=pairs,
    )
    _check(port)
    return port


def _say_nowhere(values: dict[str, Any]) -> None:
    """Null is what clients say to take a binding away; records have an empty text, or an empty object."""
    for field, nothing in (("binding_host_id", ""), ("binding_profile", {})):
        if field in values and values[field] is None:
            values[field] = nothing


def _check(port: Port) -> None:
    if port.allowed_address_pairs and not port.port_security_enabled:
        raise InvalidInput("allowed_address_pairs: mean nothing while port_security_enabled is false")


def _pairs(asked: Sequence[AskedPair], mac: str) -> tuple[AddressPair, ...]:
    pairs = tuple(AddressPair(pair.ip_address, pair.mac_address or mac) for pair in asked)
    if len(set(pairs)) < len(pairs):
        raise InvalidInput("allowed_address_pairs: the same pair stands there twice")
    return pairs


# ---- addresses ----


def _by_default(replica: Replica, choices: Choices, network: Network, mac: str) -> tuple[FixedIp, ...]:
    """Return an address of the first IPv4 subnet that has one, and one of the first IPv6 subnet; all of SLAAC's."""
    subnets = list(replica.subnets.where("network_id", network.id))
    fixed = [_eui64(choices, subnet, mac) for subnet in subnets if subnet.ipv6_address_mode in _SLAAC]
    for version in (4, 6):
        rest = [s for s in subnets if s.ip_version == version and s.ipv6_address_mode not in _SLAAC]
        if rest:
            roomy = next((subnet for subnet in rest if _has_room(replica, subnet)), rest[0])
            fixed.append(FixedIp(roomy.id, choices.address(roomy)))
    return tuple(fixed)


def _has_room(replica: Replica, subnet: Subnet) -> bool:
    taken = replica.addresses(subnet.id)
    pools = ((int(ip_address(pool.start)), int(ip_address(pool.end))) for pool in subnet.allocation_pools)
    return any(taken.lowest(first, last) is not None for first, last in pools)


def _fixed(replica: Replica, choices: Choices, network: Network, mac: str, asked: AskedIp) -> FixedIp:
    subnet = _asked_subnet(replica, network, asked)
    if asked.ip_address is None:
        if subnet.ipv6_address_mode in _SLAAC:
            return _eui64(choices, subnet, mac)
        return FixedIp(subnet.id, choices.address(subnet))
    prefix, address = ip_network(subnet.cidr), ip_address(asked.ip_address)
    if address not in prefix:
        raise InvalidInput(f"fixed_ips: {address} is not in {prefix} of subnet {subnet.id}")
    ends = {prefix.network_address, prefix.broadcast_address} if prefix.version == 4 else {prefix.network_address}
    if address in ends and prefix.num_addresses > len(ends):
        raise InvalidInput(f"fixed_ips: {address} is no machine's address in {prefix}")
    return FixedIp(subnet.id, choices.take_address(subnet, str(address)))


def _asked_subnet(replica: Replica, network: Network, asked: AskedIp) -> Subnet:
    if asked.subnet_id is not None:
        return _subnet(replica, network.id, asked.subnet_id)
    if asked.ip_address is None:
        raise InvalidInput("fixed_ips: each has a subnet_id, an ip_address, or both")
    address = ip_address(asked.ip_address)
    for subnet in replica.subnets.where("network_id", network.id):
        if address in ip_network(subnet.cidr):
            return subnet
    raise InvalidInput(f"fixed_ips: {address} is in no subnet of network {network.id}")


def _subnet(replica: Replica, network_id: str, name: str) -> Subnet:
    subnet = replica.subnets.get(name)
    if subnet is None or subnet.network_id != network_id:
        raise InvalidInput(f"fixed_ips: network {network_id} has no subnet {name}")
    return subnet


def _eui64(choices: Choices, subnet: Subnet, mac: str) -> FixedIp:
    """Return the address that a machine makes of its MAC (RFC 4291, appendix A)."""
    address = ip_network(subnet.cidr).network_address + int.from_bytes(eui64(mac), "big")
    return FixedIp(subnet.id, choices.take_address(subnet, str(address)))


# ---- later ----


def update(replica: Replica, context: Context, name: str, values: dict[str, Any], spread: int = 1) -> Decision[Port]:
    """Change a port. Addresses that it has and is asked to have stay the same."""
    old = owned(replica, context, Port, name)
    network = found(replica, context, Network, old.network_id)
    values = dict(values)
    values.pop("security_groups", None)
    _say_nowhere(values)
    choices = Choices(replica, spread)
    mac = values.get("mac_address", old.mac_address)
    if mac != old.mac_address:
        choices.take_mac(network.id, mac)
    around: list[Subnet] = []
    if "fixed_ips" in values:
        values["fixed_ips"] = _changed_ips(replica, choices, network, old=old, mac=mac, asked=values["fixed_ips"])
        around = [_subnet(replica, network.id, fixed.subnet_id) for fixed in values["fixed_ips"]]
    if "allowed_address_pairs" in values:
        values["allowed_address_pairs"] = _pairs(values["allowed_address_pairs"], mac)
    port = changed(old, context, values)
    _check(port)
    return Decision(transaction(replica, put=[port], unchanged=around), port)


def _changed_ips(
    replica: Replica, choices: Choices, network: Network, *, old: Port, mac: str, asked: Sequence[AskedIp]
) -> tuple[FixedIp, ...]:
    """Return the addresses asked for: one that names just a subnet is the one the port has there already."""
    left = list(old.fixed_ips)
    kept: dict[int, FixedIp] = {}
    for exact in (True, False):
        for at, ip in enumerate(asked):
            if at in kept or (ip.ip_address is not None) != exact:
                continue
            same = next(
                (f for f in left if ip.subnet_id in {None, f.subnet_id} and ip.ip_address in {None, f.ip_address}), None
            )
            if same:
                left.remove(same)
                kept[at] = same
    return tuple(kept.get(at) or _fixed(replica, choices, network, mac, ip) for at, ip in enumerate(asked))


def delete(replica: Replica, context: Context, name: str) -> Decision[None]:
    """Delete a port, and what its agent said of it."""
    port = owned(replica, context, Port, name)
    state = replica.port_states.get(name)
    return Decision(transaction(replica, delete=[port, *([state] if state else [])]), None)
