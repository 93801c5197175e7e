# SPDX-License-Identifier: Apache-2.0
"""Subnets: made in a network, changed, deleted when no port has an address of theirs any more.

Each that comes or goes is a change of its network's record: so of two that are made at once, and overlap, one loses.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands import access, subnetrules
from vxnet.cluster.commands.act import fields
from vxnet.cluster.commands.draft import Draft
from vxnet.cluster.commands.errors import (
    invalid_input,
    mtu_too_small_for_ipv6,
    network_not_found,
    not_authorized,
    subnet_in_use,
)
from vxnet.cluster.commands.networks import LEAST_MTU_IPV6
from vxnet.cluster.keys import addresses_of
from vxnet.cluster.records import Subnet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vxnet.cluster.commands.act import Act
    from vxnet.cluster.replica import Replica
    from vxnet.cluster.writing import Decision

_PLAIN = ("name", "description", "enable_dhcp", "dns_nameservers", "host_routes")


def create(replica: Replica, act: Act, bodies: Sequence[dict[str, Any]]) -> Decision[list[Subnet]]:
    """Make subnets, all or none."""
    draft = Draft(replica, act)
    return draft.decision([_created(draft, values) for values in bodies], len(bodies))


def _created(draft: Draft, values: dict[str, Any]) -> Subnet:
    act = draft.act
    project = access.project_for_new(act.caller, values, "create_subnet")
    draft.make("subnet", project)
    network = draft.network(access.network(draft.replica, act.caller, values["network_id"]).id)
    if network is None:
        raise network_not_found(values["network_id"])
    if not act.caller.owns(network.project_id):
        raise not_authorized("create_subnet")
    if values.get("cidr") is None:
        raise invalid_input("a subnet needs a cidr: there are no subnet pools here")
    cidr = ip_network(values["cidr"])
    version = values["ip_version"]
    dhcp = values.get("enable_dhcp", True)
    subnetrules.check_prefix(cidr, version=version, dhcp=dhcp)
    subnetrules.check_overlap(cidr, network.id, draft.subnets_of(network.id))
    if version == 6 and network.mtu < LEAST_MTU_IPV6:
        raise mtu_too_small_for_ipv6(network.id, LEAST_MTU_IPV6)
    modes = fields(values, "ipv6_ra_mode", "ipv6_address_mode")
    subnetrules.check_modes(cidr, modes.get("ipv6_ra_mode"), modes.get("ipv6_address_mode"), dhcp=dhcp)
    gateway = values.get("gateway_ip") if "gateway_ip" in values else subnetrules.default_gateway(cidr)
    if gateway is not None:
        subnetrules.check_gateway(cidr, gateway)
    asked = values.get("allocation_pools")
    pools = subnetrules.default_pools(cidr, gateway)
    subnet = Subnet(
        id=act.new_id(),
        project_id=project,
        network_id=network.id,
        ip_version=version,
        cidr=str(cidr),
        gateway_ip=gateway,
        allocation_pools=pools if asked is None else subnetrules.check_pools(cidr, gateway, asked),
        revision_number=1,
        created_at=act.now,
        updated_at=act.now,
        **modes,
        **fields(values, *_PLAIN),
    )
    subnetrules.check_told(version, subnet.dns_nameservers, subnet.host_routes)
    draft.put(subnet)
    draft.touch(network)
    return subnet


def update(replica: Replica, act: Act, name: str, values: dict[str, Any]) -> Decision[Subnet]:
    """Change a subnet. Its prefix stays, and so do addresses that ports have, also those outside of new pools."""
    old = access.subnet(replica, act.caller, name)
    access.to_change(act.caller, old, "update_subnet")
    act.expect(old)
    cidr = subnetrules.prefix_of(old)
    changes = fields(values, *_PLAIN, "gateway_ip")
    gateway = changes.get("gateway_ip", old.gateway_ip)
    if gateway is not None and gateway != old.gateway_ip:
        subnetrules.check_gateway(cidr, gateway)
    if values.get("allocation_pools") is not None or gateway != old.gateway_ip:
        pools = values.get("allocation_pools")
        changes["allocation_pools"] = subnetrules.check_pools(
            cidr, gateway, old.allocation_pools if pools is None else pools
        )
    if changes.get("enable_dhcp", old.enable_dhcp) != old.enable_dhcp:
        dhcp = changes["enable_dhcp"]
        subnetrules.check_prefix(cidr, version=old.ip_version, dhcp=dhcp)
        subnetrules.check_modes(cidr, old.ipv6_ra_mode, old.ipv6_address_mode, dhcp=dhcp)
    subnetrules.check_told(old.ip_version, changes.get("dns_nameservers", ()), changes.get("host_routes", ()))
    draft = Draft(replica, act)
    return draft.decision(draft.change(old, **changes))


def delete(replica: Replica, act: Act, name: str) -> Decision[None]:
    """Delete a subnet, if no port has an address of it."""
    old = access.subnet(replica, act.caller, name)
    access.to_change(act.caller, old, "delete_subnet")
    act.expect(old)
    if len(replica.addresses(name)):
        raise subnet_in_use(name)
    draft = Draft(replica, act)
    draft.delete(old)
    draft.need_empty(addresses_of(name))
    if network := replica.networks.get(old.network_id):
        draft.touch(network)
    return draft.decision(None)
