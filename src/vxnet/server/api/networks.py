# SPDX-License-Identifier: Apache-2.0
"""Networks in the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.cluster.commands import access
from vxnet.cluster.commands.networks import LEAST_MTU
from vxnet.server.api.attributes import Attribute, Resource, View
from vxnet.server.api.kinds import BOOLEAN, NAME, TEXTS, choice, never, no_list, nothing, number, or_none
from vxnet.server.api.standard import HEAD, TAG_TESTS, TAIL, always, field, narrowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.cluster.records import Network

MOST_VNI = 2**24 - 1


def _records(view: View) -> Iterator[Network]:
    if view.caller.is_admin:
        yield from view.replica.networks
        return
    yield from view.replica.networks.where("project_id", view.caller.project_id)
    for network in view.replica.networks:
        if network.project_id != view.caller.project_id and access.sees_network(view.caller, network):
            yield network


def _subnets(view: View, network: Network) -> list[str]:
    return [subnet.id for subnet in view.replica.subnets.where("network_id", network.id)]


NETWORK = Resource(
    name="network",
    plural="networks",
    records=_records,
    sees=lambda view, network: access.sees_network(view.caller, network),
    find=lambda view, name: access.network(view.replica, view.caller, name),
    narrow=lambda replica, name, values: narrowed(replica.networks, name, values),
    tests=TAG_TESTS,
    attributes=(
        *HEAD,
        Attribute(
            name="admin_state_up", kind=BOOLEAN, about="Whether it is to work.",
            show=field("admin_state_up"), post=True, put=True, default=True, filter=True, sort=True,
        ),
        Attribute(
            name="status", kind=choice("ACTIVE", "DOWN"), about="ACTIVE if admin_state_up, else DOWN.",
            show=lambda _, network: "ACTIVE" if network.admin_state_up else "DOWN", filter=True, sort=True,
        ),
        Attribute(
            name="shared", kind=BOOLEAN, about="Whether all projects see it and may have ports in it.",
            show=field("shared"), post=True, put=True, write="admin", default=False, filter=True, sort=True,
        ),
        Attribute(
            name="router:external", kind=BOOLEAN, about="Whether all projects see it.",
            show=field("router_external"), post=True, put=True, write="admin", default=False, filter=True, sort=True,
        ),
        Attribute(
            name="is_default", kind=never("there is no default external network here"), about="Always false.",
            show=always(value=False), post=True, put=True, default=False, filter=True,
        ),
        Attribute(name="subnets", kind=TEXTS, about="The ids of its subnets.", show=_subnets),
        Attribute(
            name="mtu", kind=number(0, 65535),
            about=f"Bytes of the longest IP packet; at least {LEAST_MTU}, and at most what the underlay has room for."
            " 0: that.",
            show=field("mtu"), post=True, put=True, filter=True, sort=True,
        ),
        Attribute(
            name="port_security_enabled", kind=BOOLEAN, about="What its ports have unless they say otherwise.",
            show=field("port_security_enabled"), post=True, put=True, default=True, filter=True,
        ),
        Attribute(
            name="provider:network_type", kind=or_none(NAME), about="Always vxlan.",
            show=always("vxlan"), post=True, write="admin", read="admin", filter=True,
        ),
        Attribute(
            name="provider:physical_network", kind=or_none(NAME), about="Always null.",
            show=always(None), post=True, write="admin", read="admin", filter=True,
        ),
        Attribute(
            name="provider:segmentation_id", kind=or_none(number(1, MOST_VNI)), about="Its VNI.",
            show=field("vni"), post=True, write="admin", read="admin", filter=True, sort=True,
        ),
        Attribute(
            name="availability_zone_hints", kind=no_list("there are no availability zones here"), about="Always empty.",
            show=always([]), post=True, default=(),
        ),
        Attribute(name="availability_zones", kind=TEXTS, about="Always empty.", show=always([])),
        Attribute(name="ipv4_address_scope", kind=nothing(""), about="Always null.", show=always(None)),
        Attribute(name="ipv6_address_scope", kind=nothing(""), about="Always null.", show=always(None)),
        *TAIL,
    ),
)  # fmt: skip
