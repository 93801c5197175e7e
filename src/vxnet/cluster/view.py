# SPDX-License-Identifier: Apache-2.0
"""What a host is told of the cluster: its own ports whole, of others' where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.cluster import messages

if TYPE_CHECKING:
    from vxnet.cluster.records import Network, Port, Subnet
    from vxnet.cluster.replica import Replica


def networks_of(replica: Replica, host: str) -> set[str]:
    """Return the ids of the networks in which a port is bound to this host."""
    return {port.network_id for port in replica.ports.where("binding_host_id", host)}


def segment(replica: Replica, network: Network, host: str) -> messages.Segment:
    """Return a network as this host sees it."""
    ports = (port_at(replica, port, host) for port in replica.ports.where("network_id", network.id))
    return messages.Segment(
        id=network.id,
        name=network.name,
        vni=network.vni,
        mtu=network.mtu,
        subnets=tuple(subnet_in(subnet) for subnet in replica.subnets.where("network_id", network.id)),
        ports=tuple(port for port in ports if port),
    )


def subnet_in(subnet: Subnet) -> messages.Subnet:
    """Return what a machine has to know of a subnet."""
    return messages.Subnet(
        id=subnet.id,
        cidr=subnet.cidr,
        gateway_ip=subnet.gateway_ip,
        dns_nameservers=subnet.dns_nameservers,
        host_routes=subnet.host_routes,
    )


def port_at(replica: Replica, port: Port, host: str) -> messages.Port | None:
    """Return a port as this host sees it; None if there is no way to it: it is at no host, or at one with no agent."""
    return local_port(port) if port.binding_host_id == host else far_port(replica, port)


def local_port(port: Port) -> messages.LocalPort:
    """Return a port as its own host sees it."""
    return messages.LocalPort(
        id=port.id,
        name=port.name,
        mac_address=port.mac_address,
        fixed_ips=tuple(messages.FixedIp(fixed.subnet_id, fixed.ip_address) for fixed in port.fixed_ips),
        admin_state_up=port.admin_state_up,
        port_security_enabled=port.port_security_enabled,
        allowed_address_pairs=port.allowed_address_pairs,
        binding_profile=port.binding_profile,
    )


def far_port(replica: Replica, port: Port) -> messages.FarPort | None:
    """Return a port as other hosts see it; None if there is no way to it."""
    agent = replica.agents.get(port.binding_host_id)
    if agent is None:
        return None
    addresses = tuple(fixed.ip_address for fixed in port.fixed_ips)
    return messages.FarPort(id=port.id, mac_address=port.mac_address, addresses=addresses, vtep=agent.local)
