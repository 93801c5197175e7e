# SPDX-License-Identifier: Apache-2.0
"""Subnets: the attributes, and how one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet.cluster.records import Pool, Route
from vxnet.server.api.accept import Attribute, resource
from vxnet.server.api.kinds import ADDRESS, FLAG, ID, NAME, PREFIX, list_of, number, object_of, one_of, or_none
from vxnet.server.api.standard import STANDARD, shown

if TYPE_CHECKING:
    from vxnet.cluster.caller import Caller
    from vxnet.cluster.records import Subnet
    from vxnet.cluster.replica import Replica

MODES = or_none(one_of("slaac", "dhcpv6-stateful", "dhcpv6-stateless"))
_NONE = {"type": "null"}

SUBNETS = resource(
    "subnet",
    (
        *STANDARD,
        Attribute(name="network_id", kind=ID, put=False, required=True),
        Attribute(name="ip_version", kind=number(4, 6), put=False, required=True),
        Attribute(name="cidr", kind=PREFIX, put=False, required=True),
        Attribute(name="gateway_ip", kind=or_none(ADDRESS)),
        Attribute(name="enable_dhcp", kind=FLAG),
        Attribute(name="allocation_pools", kind=list_of(object_of(Pool, {"start": ADDRESS, "end": ADDRESS}), most=64)),
        Attribute(name="dns_nameservers", kind=list_of(ADDRESS, most=5)),
        Attribute(
            name="host_routes",
            kind=list_of(object_of(Route, {"destination": PREFIX, "nexthop": ADDRESS}), most=20),
        ),
        Attribute(name="ipv6_ra_mode", kind=MODES, put=False),
        Attribute(name="ipv6_address_mode", kind=MODES, put=False),
        Attribute(name="service_types", kind=list_of(NAME, most=20)),
        Attribute(name="subnetpool_id", schema=_NONE),
        Attribute(name="segment_id", schema=_NONE),
    ),
)


def subnet_view(_: Replica, subnet: Subnet, __: Caller) -> dict[str, Any]:
    """Return a subnet as any caller sees it."""
    return shown(subnet) | {
        "network_id": subnet.network_id,
        "ip_version": subnet.ip_version,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.enable_dhcp,
        "allocation_pools": subnet.allocation_pools,
        "dns_nameservers": subnet.dns_nameservers,
        "host_routes": subnet.host_routes,
        "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "ipv6_address_mode": subnet.ipv6_address_mode,
        "service_types": subnet.service_types,
        "subnetpool_id": None,
        "segment_id": None,
    }
