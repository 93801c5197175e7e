# SPDX-License-Identifier: Apache-2.0
"""Finding a port of this host by what people call it, and saying what a machine has to know to be it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, TypeVar

from vxnet.daemon.control import Details
from vxnet.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.cluster.messages import LocalPort, Segment

T = TypeVar("T")


def find(ports: Iterable[tuple[Segment, LocalPort]], asked: str, host: str) -> tuple[Segment, LocalPort]:
    """Return the port with this id, or name, or the only one whose id begins so. ControlError if there is none."""
    by_id, by_name, by_prefix = [], [], []
    for segment, port in ports:
        if port.id == asked:
            by_id.append((segment, port))
        elif port.name == asked:
            by_name.append((segment, port))
        elif port.id.startswith(asked):
            by_prefix.append((segment, port))
    found = by_id or by_name or by_prefix
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(port.id for _, port in found)
        raise ControlError(f"port {asked}: more than one of this host is called so: {which}")
    raise ControlError(f"port {asked} is not bound to this host; `openstack port set --host {host} {asked}` binds it")


def details(segment: Segment, port: LocalPort, device: str, waits_for: str) -> Details:
    """Return what a machine has to know."""
    subnets = {subnet.id: subnet for subnet in segment.subnets}
    mine = [(fixed.ip_address, subnets[fixed.subnet_id]) for fixed in port.fixed_ips if fixed.subnet_id in subnets]
    return Details(
        id=port.id,
        name=port.name,
        network=segment.name,
        mac=port.mac_address,
        mtu=segment.mtu,
        addresses=tuple(f"{address}/{ip_network(subnet.cidr).prefixlen}" for address, subnet in mine),
        gateways=_once(subnet.gateway_ip for _, subnet in mine if subnet.gateway_ip),
        routes=_once((route.destination, route.nexthop) for _, subnet in mine for route in subnet.host_routes),
        dns_nameservers=_once(server for _, subnet in mine for server in subnet.dns_nameservers),
        device=device,
        waits_for=waits_for,
    )


def _once(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))
