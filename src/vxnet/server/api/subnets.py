# SPDX-License-Identifier: Apache-2.0
"""Subnets in the API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands import access
from vxnet.cluster.records import Pool, Route
from vxnet.server.api.attributes import Attribute, Resource, View
from vxnet.server.api.kinds import (
    ADDRESS,
    BOOLEAN,
    CIDR,
    UUID,
    Kind,
    address,
    array,
    choice,
    cidr,
    listed,
    no_list,
    nothing,
    or_none,
    record,
    unique,
    whole_entry,
)
from vxnet.server.api.standard import HEAD, TAG_TESTS, TAIL, always, field, narrowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vxnet.cluster.records import Subnet

MOST_NAMESERVERS = 5
MOST_ROUTES = 20
"""As many as Neutron allows unless it is told otherwise."""

_STRING = {"type": "string"}


def _pool(value: Any) -> Pool:  # noqa: ANN401  (it comes from outside)
    return Pool(**whole_entry(value, start=address, end=address))


def _route(value: Any) -> Route:  # noqa: ANN401
    return Route(**whole_entry(value, destination=cidr, nexthop=address))


def _version(value: Any) -> int:  # noqa: ANN401
    if value not in (4, 6, "4", "6"):
        raise ValueError(f"'{value}' is not in [4, 6]")
    return int(value)


_MODE = or_none(choice("slaac", "dhcpv6-stateful", "dhcpv6-stateless"))
_VERSION = Kind(
    convert=_version, schema={"enum": [4, 6, "4", "6"]}, shown={"type": "integer", "enum": [4, 6]}, of_text=_version
)
_POOLS = array(record(("start", "end"), start=_STRING, end=_STRING), partial(listed, convert=_pool))
_SERVERS = array(_STRING, partial(unique, convert=address, longest=MOST_NAMESERVERS))
_ROUTES = array(
    record(("destination", "nexthop"), destination=_STRING, nexthop=_STRING),
    partial(unique, convert=_route, longest=MOST_ROUTES),
)
_NO_POOLS = nothing("there are no subnet pools here: give a cidr")


def _records(view: View) -> Iterator[Subnet]:
    if view.caller.is_admin:
        yield from view.replica.subnets
        return
    mine = view.caller.project_id
    yield from view.replica.subnets.where("project_id", mine)
    for network in view.replica.networks:
        if access.sees_network(view.caller, network):
            for subnet in view.replica.subnets.where("network_id", network.id):
                if subnet.project_id != mine:
                    yield subnet


def _shared(view: View, subnet: Subnet) -> bool:
    network = view.replica.networks.get(subnet.network_id)
    return network is not None and network.shared


def _by_sharing(view: View, values: Sequence[str]) -> Callable[[Subnet], bool]:
    wanted = {BOOLEAN.of_text(value) for value in values}
    return lambda subnet: _shared(view, subnet) in wanted


SUBNET = Resource(
    name="subnet",
    plural="subnets",
    records=_records,
    sees=lambda view, subnet: access.sees_subnet(view.replica, view.caller, subnet),
    find=lambda view, name: access.subnet(view.replica, view.caller, name),
    narrow=lambda replica, name, values: narrowed(replica.subnets, name, values),
    tests={
        **TAG_TESTS,
        "shared": _by_sharing,
    },
    attributes=(
        *HEAD,
        Attribute(
            name="network_id", kind=UUID, about="Its network.",
            show=field("network_id"), post=True, required=True, filter=True, sort=True,
        ),
        Attribute(
            name="ip_version", kind=_VERSION, about="4 or 6.",
            show=field("ip_version"), post=True, required=True, filter=True, sort=True,
        ),
        Attribute(
            name="cidr", kind=CIDR, about="Its prefix; bits of hosts become zero.",
            show=field("cidr"), post=True, required=True, filter=True, sort=True,
        ),
        Attribute(
            name="gateway_ip", kind=or_none(ADDRESS), about="Its gateway; null: none. Unless said, the first address.",
            show=field("gateway_ip"), post=True, put=True, filter=True, sort=True,
        ),
        Attribute(
            name="allocation_pools", kind=_POOLS,
            about="What ports get addresses from. Unless said, all but the gateway.",
            show=field("allocation_pools"), post=True, put=True,
        ),
        Attribute(
            name="dns_nameservers", kind=_SERVERS, about=f"At most {MOST_NAMESERVERS}.",
            show=field("dns_nameservers"), post=True, put=True, default=(),
        ),
        Attribute(
            name="host_routes", kind=_ROUTES, about=f"Routes that machines are given; at most {MOST_ROUTES}.",
            show=field("host_routes"), post=True, put=True, default=(),
        ),
        Attribute(
            name="enable_dhcp", kind=BOOLEAN, about="Whether machines may be given their addresses by DHCP.",
            show=field("enable_dhcp"), post=True, put=True, default=True, filter=True, sort=True,
        ),
        Attribute(
            name="ipv6_ra_mode", kind=_MODE, about="How routers announce it.",
            show=field("ipv6_ra_mode"), post=True, filter=True, sort=True,
        ),
        Attribute(
            name="ipv6_address_mode", kind=_MODE, about="How machines come by their addresses.",
            show=field("ipv6_address_mode"), post=True, filter=True, sort=True,
        ),
        Attribute(
            name="service_types", kind=no_list("there are no service types here"), about="Always empty.",
            show=always([]), post=True, put=True, default=(),
        ),
        Attribute(
            name="subnetpool_id", kind=_NO_POOLS, about="Always null.", show=always(None), post=True, default=None,
        ),
        Attribute(
            name="segment_id", kind=nothing("there are no network segments here"), about="Always null.",
            show=always(None), post=True, put=True, default=None,
        ),
        *TAIL,
    ),
)  # fmt: skip
