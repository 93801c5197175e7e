# SPDX-License-Identifier: Apache-2.0
"""What cannot be done, in Neutron's names and with its HTTP statuses: clients go by both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from collections.abc import Iterable


class RefusedError(VxnetError):
    """``status`` is HTTP's, ``kind`` the name of Neutron's exception; nothing was done."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


# ---- 400: what was asked for makes no sense ----


def bad_request(message: str) -> RefusedError:
    """Return the error for a request that is not made as it must be."""
    return RefusedError(400, "HTTPBadRequest", message)


def invalid_input(message: str) -> RefusedError:
    """Return the error for values that do not go together, or with what is there."""
    return RefusedError(400, "InvalidInput", f"Invalid input for operation: {message}.")


def not_in_network(address: str) -> RefusedError:
    """Return the error for an address that none of a network's subnets can give."""
    return RefusedError(400, "InvalidIpForNetwork", f"{address} is an address of none of the network's subnets")


def not_in_subnet(address: str, cidr: str) -> RefusedError:
    """Return the error for an address that a subnet cannot give."""
    return RefusedError(400, "InvalidIpForSubnet", f"{address} is no address for a port in {cidr}")


def bad_pool(pool: str, reason: str) -> RefusedError:
    """Return the error for a pool that is no range of addresses."""
    return RefusedError(400, "InvalidAllocationPool", f"The allocation pool {pool} is not valid: {reason}")


def pool_outside(pool: str, cidr: str) -> RefusedError:
    """Return the error for a pool with addresses that its subnet cannot give."""
    return RefusedError(400, "OutOfBoundsAllocationPool", f"The allocation pool {pool} is not inside {cidr}")


def too_many(what: str, limit: int) -> RefusedError:
    """Return the error for a list that is too long."""
    return RefusedError(400, "BadRequest", f"{what}: {limit} at the most")


def too_much_at_once(things: int, needed: int, most: int) -> RefusedError:
    """Return the error for so many things that need more keys than the ``most`` that the store writes at once."""
    if fit := most * things // needed:
        cure = f"about {fit} fit"
    else:
        cure = f"it takes {needed} keys, {most} fit: take away what belongs to it first"
    return RefusedError(400, "BadRequest", f"{things} at once is more than the store takes in one transaction; {cure}")


def duplicate_pair(pair: str) -> RefusedError:
    """Return the error for an address pair that is there twice."""
    return RefusedError(400, "DuplicateAddressPairInRequest", f"allowed_address_pairs: {pair} is there twice")


# ---- 403: who asks may not ----


def not_authorized(rule: str) -> RefusedError:
    """Return the error for what the caller's role or project does not allow."""
    return RefusedError(403, "PolicyNotAuthorized", f"rule:{rule} is disallowed by policy")


# ---- 404: not there, or another project's ----


def network_not_found(name: str) -> RefusedError:
    """Return the error for a network that the caller cannot see."""
    return RefusedError(404, "NetworkNotFound", f"Network {name} could not be found.")


def subnet_not_found(name: str) -> RefusedError:
    """Return the error for a subnet that the caller cannot see."""
    return RefusedError(404, "SubnetNotFound", f"Subnet {name} could not be found.")


def port_not_found(name: str) -> RefusedError:
    """Return the error for a port that the caller cannot see."""
    return RefusedError(404, "PortNotFound", f"Port {name} could not be found.")


def agent_not_found(name: str) -> RefusedError:
    """Return the error for an agent that is not there."""
    return RefusedError(404, "AgentNotFound", f"Agent {name} could not be found.")


def tag_not_found(tag: str) -> RefusedError:
    """Return the error for a tag that something does not have."""
    return RefusedError(404, "TagNotFound", f"Tag {tag} could not be found.")


def quota_not_found(project_id: str) -> RefusedError:
    """Return the error for a project that has no quota of its own."""
    return RefusedError(404, "ProjectQuotaNotFound", f"Quota for project {project_id} could not be found.")


# ---- 409: it is taken, or in use ----


def network_in_use(name: str) -> RefusedError:
    """Return the error for a network with ports."""
    return RefusedError(409, "NetworkInUse", f"Network {name} has ports: delete them first")


def subnet_in_use(name: str) -> RefusedError:
    """Return the error for a subnet whose addresses ports have."""
    return RefusedError(
        409, "SubnetInUse", f"Subnet {name} has addresses that ports use: take them from the ports first"
    )


def agent_in_use(name: str, reason: str) -> RefusedError:
    """Return the error for an agent that cannot go."""
    return RefusedError(409, "AgentInUse", f"Agent {name} cannot be deleted: {reason}")


def tunnel_in_use(vni: int) -> RefusedError:
    """Return the error for a VNI that another network has."""
    return RefusedError(409, "TunnelIdInUse", f"Unable to create the network. The tunnel ID {vni} is in use.")


def mac_in_use(mac: str, network_id: str) -> RefusedError:
    """Return the error for a MAC that another port of the network has."""
    return RefusedError(409, "MacAddressInUse", f"The mac address {mac} is in use in network {network_id}")


def address_in_use(address: str, subnet_id: str) -> RefusedError:
    """Return the error for an address that a port has already."""
    return RefusedError(409, "IpAddressInUse", f"The IP address {address} is in use in subnet {subnet_id}")


def no_more_addresses(network_id: str, subnets: Iterable[str] = ()) -> RefusedError:
    """Return the error for pools that have nothing left to give."""
    where = ", ".join(subnets)
    message = f"No more IP addresses available on network {network_id}" + (f", subnet {where}" if where else "")
    return RefusedError(409, "IpAddressGenerationFailure", message)


def over_quota(resource: str, limit: int) -> RefusedError:
    """Return the error for a project that has as much as it may."""
    return RefusedError(
        409, "OverQuota", f"Quota exceeded for resources: ['{resource}'], of which {limit} are allowed."
    )


def quota_below_use(resource: str, used: int) -> RefusedError:
    """Return the error for a quota that a project is above already."""
    return RefusedError(409, "InvalidQuotaValue", f"{resource}: the project has {used} already")


def pools_overlap(first: str, second: str, cidr: str) -> RefusedError:
    """Return the error for two pools that have an address in common."""
    message = f"The allocation pools {first} and {second} of {cidr} overlap"
    return RefusedError(409, "OverlappingAllocationPools", message)


def gateway_in_pool(gateway: str, pool: str) -> RefusedError:
    """Return the error for a pool that would give the gateway's address away."""
    message = f"The gateway {gateway} is in the allocation pool {pool}"
    return RefusedError(409, "GatewayConflictWithAllocationPools", message)


def mtu_too_small_for_ipv6(network_id: str, least: int) -> RefusedError:
    """Return the error for IPv6 on a network whose packets are too small for it (RFC 8200 section 5)."""
    message = f"MTU of network {network_id} is too small: an IPv6 subnet needs {least}"
    return RefusedError(409, "NetworkMTUSubnetConflict", message)


def shared_by_others(name: str) -> RefusedError:
    """Return the error for a network that other projects use, and so must stay shared."""
    message = f"Network {name} must stay shared: other projects have ports in it"
    return RefusedError(409, "InvalidSharedSetting", message)


def port_bound(name: str, host: str) -> RefusedError:
    """Return the error for a port that is at a host, where its MAC is in use."""
    return RefusedError(409, "PortBound", f"Port {name} is bound to host {host}: unbind it to change its MAC")


def pairs_need_security() -> RefusedError:
    """Return the error for address pairs of a port that may send from any address as it is."""
    message = "allowed_address_pairs: the port needs port_security_enabled for them"
    return RefusedError(409, "AddressPairAndPortSecurityRequired", message)


# ---- 412 and 503 ----


def other_revision(expected: int, current: int) -> RefusedError:
    """Return the error for a change that was meant for an earlier state."""
    message = f"Constrained to {expected}, but current revision is {current}"
    return RefusedError(412, "RevisionNumberConstraintFailed", message)


def no_network_available() -> RefusedError:
    """Return the error for VNI ranges that are all given away."""
    message = "Unable to create the network. No VNI is left in this cluster's ranges."
    return RefusedError(503, "NoNetworkAvailable", message)
