# SPDX-License-Identifier: Apache-2.0
"""Who may see and do what.

what a project owns           it sees, and changes unless its role is reader
shared networks               all see, with their subnets, and may have ports in them
external networks             all see, with their subnets
everything else               is not there: 404, as for an id that nothing has
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands.errors import (
    bad_request,
    network_not_found,
    not_authorized,
    port_not_found,
    subnet_not_found,
)

if TYPE_CHECKING:
    from vxnet.cluster.caller import Caller
    from vxnet.cluster.records import Network, Port, Subnet
    from vxnet.cluster.replica import Replica


def sees_network(caller: Caller, network: Network) -> bool:
    """Whether this network is there for the caller."""
    return caller.owns(network.project_id) or (not caller.host and (network.shared or network.router_external))


def sees_subnet(replica: Replica, caller: Caller, subnet: Subnet) -> bool:
    """Whether this subnet is there for the caller: theirs, or one of a network that they see."""
    network = replica.networks.get(subnet.network_id)
    return caller.owns(subnet.project_id) or (network is not None and sees_network(caller, network))


def network(replica: Replica, caller: Caller, name: str) -> Network:
    """Return a network that the caller sees."""
    found = replica.networks.get(name)
    if found is None or not sees_network(caller, found):
        raise network_not_found(name)
    return found


def subnet(replica: Replica, caller: Caller, name: str) -> Subnet:
    """Return a subnet that the caller sees."""
    found = replica.subnets.get(name)
    if found is None or not sees_subnet(replica, caller, found):
        raise subnet_not_found(name)
    return found


def port(replica: Replica, caller: Caller, name: str) -> Port:
    """Return a port that the caller sees: one of theirs."""
    found = replica.ports.get(name)
    if found is None or not caller.owns(found.project_id):
        raise port_not_found(name)
    return found


def to_change(caller: Caller, record: Network | Subnet | Port, rule: str) -> None:
    """Refuse a caller who sees a record that they may not change."""
    if not caller.may_write or not caller.owns(record.project_id):
        raise not_authorized(rule)


def project_for_new(caller: Caller, values: dict[str, Any], rule: str) -> str:
    """Return whose something new is: the caller's; an admin may say whose."""
    if not caller.may_write:
        raise not_authorized(rule)
    said = {values[name] for name in ("project_id", "tenant_id") if name in values}
    if len(said) > 1:
        raise bad_request("project_id and tenant_id are the same thing, and are said to be two")
    project: str = said.pop() if said else caller.project_id
    if not caller.owns(project):
        raise bad_request("Specifying 'project_id' or 'tenant_id' other than the caller's own is for administrators")
    return project
