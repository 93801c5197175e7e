# SPDX-License-Identifier: Apache-2.0
"""Networks: the attributes, and how one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet.model import VNI_MAX, VNI_MIN
from vxnet.server.api.accept import Attribute, resource
from vxnet.server.api.kinds import FLAG, NAME, number, one_of, or_none
from vxnet.server.api.standard import STANDARD, TEXT, TEXTS, shown

if TYPE_CHECKING:
    from vxnet.cluster.caller import Caller
    from vxnet.cluster.records import Network
    from vxnet.cluster.replica import Replica

LEAST_MTU, MOST_MTU = 68, 65485
"""Bytes: the smallest of IPv4 (RFC 791), and what VXLAN leaves of the largest IP packet."""

_NONE = {"type": "null"}

NETWORKS = resource(
    "network",
    (
        *STANDARD,
        Attribute(name="admin_state_up", kind=FLAG),
        Attribute(name="shared", kind=FLAG, admin=True),
        Attribute(name="router:external", kind=FLAG, admin=True),
        Attribute(name="port_security_enabled", kind=FLAG),
        Attribute(name="mtu", kind=number(LEAST_MTU, MOST_MTU)),
        Attribute(name="provider:network_type", kind=or_none(one_of("vxlan")), put=False, admin=True, admin_sees=True),
        Attribute(
            name="provider:segmentation_id",
            kind=or_none(number(VNI_MIN, VNI_MAX)),
            field="vni",
            put=False,
            admin=True,
            admin_sees=True,
        ),
        Attribute(name="provider:physical_network", kind=or_none(NAME), put=False, admin=True, admin_sees=True),
        Attribute(name="status", schema=TEXT),
        Attribute(name="subnets", schema=TEXTS),
        Attribute(name="availability_zone_hints", schema=TEXTS),
        Attribute(name="availability_zones", schema=TEXTS),
        Attribute(name="ipv4_address_scope", schema=_NONE),
        Attribute(name="ipv6_address_scope", schema=_NONE),
    ),
)


def network_view(replica: Replica, network: Network, caller: Caller) -> dict[str, Any]:
    """Return a network as this caller sees it."""
    view = shown(network) | {
        "admin_state_up": network.admin_state_up,
        "status": "ACTIVE" if network.admin_state_up else "DOWN",
        "shared": network.shared,
        "router:external": network.router_external,
        "port_security_enabled": network.port_security_enabled,
        "mtu": network.mtu,
        "subnets": [subnet.id for subnet in replica.subnets.where("network_id", network.id)],
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
    }
    if caller.is_admin:
        view |= {
            "provider:network_type": "vxlan",
            "provider:segmentation_id": network.vni,
            "provider:physical_network": None,
        }
    return view
