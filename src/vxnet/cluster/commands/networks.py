# SPDX-License-Identifier: Apache-2.0
"""Creating, changing and deleting networks."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vxnet.cluster.commands import quotas
from vxnet.cluster.commands.access import Context, changed, may_write, owned, stamps
from vxnet.cluster.commands.allocate import Choices
from vxnet.cluster.commands.errors import InvalidInput, NetworkInUse
from vxnet.cluster.keys import macs_of
from vxnet.cluster.records import Network
from vxnet.cluster.writing import Decision, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vxnet.cluster.replica import Replica

OVERHEAD: Final = 50
"""Bytes that VXLAN takes of an IPv4 underlay's packets (RFC 7348, section 5): what a network's MTU is below it."""

UNDERLAY_MTU: Final = 1500
"""Bytes, as long as no agent has said what its underlay has."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator has set: see server/settings.py. ``mtu`` None: as the smallest underlay of a living agent."""

    vni_ranges: tuple[tuple[int, int], ...]
    mtu: int | None
    quotas: dict[str, int]
    alive: Callable[[str], bool]


def create(
    replica: Replica, context: Context, rules: Rules, asked: Sequence[dict[str, Any]]
) -> Decision[list[Network]]:
    """Create networks, all or none."""
    may_write(context.caller)
    choices, most = Choices(replica), largest_mtu(replica, rules)
    networks = [_network(context, rules, choices, most, dict(values)) for values in asked]
    quotas.check(replica, rules.quotas, "network", Counter(network.project_id for network in networks))
    return Decision(transaction(replica, put=networks), networks)


def _network(context: Context, rules: Rules, choices: Choices, most: int, values: dict[str, Any]) -> Network:
    _check_provider(values)
    vni = values.pop("vni", None)
    _check_mtu(values, most)
    return Network(
        **{"mtu": most} | values | stamps(context, values),
        id=str(uuid.uuid4()),
        vni=choices.vni(rules.vni_ranges) if vni is None else choices.take_vni(vni),
    )


def _check_provider(values: dict[str, Any]) -> None:
    values.pop("provider_network_type", None)
    if values.pop("provider_physical_network", None) is not None:
        raise InvalidInput("provider:physical_network: a VXLAN network has none; the underlay is whatever has a route")


def largest_mtu(replica: Replica, rules: Rules) -> int:
    """Return the MTU that fits into every underlay, in bytes."""
    if rules.mtu is not None:
        return rules.mtu
    mtus = [agent.underlay_mtu for agent in replica.agents if rules.alive(agent.host)]
    return min(mtus, default=UNDERLAY_MTU) - OVERHEAD


def _check_mtu(values: dict[str, Any], most: int) -> None:
    mtu = values.get("mtu")
    if mtu is not None and mtu > most:
        raise InvalidInput(f"mtu: {mtu} does not fit into the underlay, which leaves {most}")


def update(replica: Replica, context: Context, rules: Rules, name: str, values: dict[str, Any]) -> Decision[Network]:
    """Change a network."""
    network = owned(replica, context, Network, name)
    _check_mtu(values, largest_mtu(replica, rules))
    if network.shared and values.get("shared") is False:
        others = {port.project_id for port in replica.ports.where("network_id", name)} - {network.project_id}
        if others:
            raise InvalidInput(f"shared: projects {', '.join(sorted(others))} have ports in network {name}")
    network = changed(network, context, values)
    return Decision(transaction(replica, put=[network]), network)


def delete(replica: Replica, context: Context, name: str) -> Decision[None]:
    """Delete a network without ports, and its subnets with it."""
    network = owned(replica, context, Network, name)
    if ports := replica.ports.count("network_id", name):
        raise NetworkInUse(f"network {name} has {ports} ports; delete those first")
    # A subnet that another server makes meanwhile writes the network, too.
    subnets = list(replica.subnets.where("network_id", name))
    return Decision(transaction(replica, delete=[network, *subnets], empty=[macs_of(name)]), None)
