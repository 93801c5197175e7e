# SPDX-License-Identifier: Apache-2.0
"""How long tenants' packets may be, so that they fit into the underlay's with what goes around them."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vxnet.cluster.liveness import Liveness
    from vxnet.cluster.records import Agent
    from vxnet.cluster.replica import Replica
    from vxnet.server.settings import Settings

UNKNOWN: Final = 1450
"""Bytes: what an IPv4 underlay of Ethernet has room for, as long as no agent has said what there is."""

_OVERHEAD = {4: 50, 6: 70}
"""Bytes around a tenant's packet, by the underlay's IP version: IP 20 or 40, UDP 8, VXLAN 8, inner Ethernet 14."""


def offered(replica: Replica, liveness: Liveness, settings: Settings) -> int:
    """Return the MTU of networks: the operator's, or what the underlay of every agent that is alive has room for."""
    if settings.mtu is not None:
        return settings.mtu
    return min((_room(agent) for agent in replica.agents if liveness.alive(agent.host)), default=UNKNOWN)


def _room(agent: Agent) -> int:
    return agent.underlay_mtu - _OVERHEAD[ip_address(agent.local).version]
