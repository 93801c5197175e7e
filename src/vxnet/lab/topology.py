# SPDX-License-Identifier: Apache-2.0
"""What a lab consists of, as frozen values.

    Topology
      +-- hosts      Host, ...      will run vxnet (or be its peer): underlay device eth0
      +-- vms        Vm, ...        a tenant's machine: eth0, whose other end is a device in its host
      +-- routers    Router, ...    forwards between underlay subnets: one device for each link or switch
      +-- switches   Switch, ...    joins any number of hosts and routers in one subnet
      +-- links      Link, ...      joins two of them

`vxnet.lab.labfile` reads one from a file, `vxnet.lab.checks` says whether the parts fit together.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

UNDERLAY_MTU = 1500
"""Bytes of IP packet an underlay device carries."""

VM_MTU = UNDERLAY_MTU - 50
"""What is left for a VM: 20 outer IPv4 + 8 UDP + 8 VXLAN + 14 inner Ethernet are taken (RFC 7348, section 4.3)."""


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A host: its ``eth0`` on the underlay has ``address``; ``gateway`` is its default route."""

    name: str
    address: tuple[str, ...]
    gateway: str = ""


class Vm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A VM: its ``eth0`` is a veth whose other end is ``device`` (``tap-NAME`` unless given) in ``host``.

    ``mac`` is 02:00 followed by its first IPv4 address unless given. ``mtu`` is in bytes of IP packet.
    """

    name: str
    host: str
    address: tuple[str, ...] = ()
    device: str = ""
    mac: str = ""
    mtu: int = VM_MTU
    gateway: str = ""


class Router(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A router: one address in each subnet it joins, the first on ``eth0``, the second on ``eth1``, and so on.

    ``gateway`` is its default route.
    """

    name: str
    address: tuple[str, ...]
    gateway: str = ""


class Switch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An Ethernet switch that joins ``nodes`` (hosts and routers) in one subnet."""

    name: str
    nodes: tuple[str, ...]
    mtu: int = UNDERLAY_MTU


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cable between two ``nodes`` (hosts or routers)."""

    nodes: tuple[str, ...]
    mtu: int = UNDERLAY_MTU


class Topology(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole lab. ``name`` begins the names of its namespaces; in a file it may be left to the file's name."""

    name: str = ""
    hosts: tuple[Host, ...] = ()
    vms: tuple[Vm, ...] = ()
    routers: tuple[Router, ...] = ()
    switches: tuple[Switch, ...] = ()
    links: tuple[Link, ...] = ()


Machine = Host | Vm | Router
"""What has addresses."""

Spec = Host | Vm | Router | Switch
"""What becomes a namespace."""


def specs(topology: Topology) -> tuple[Spec, ...]:
    """Everything in ``topology`` that becomes a namespace, hosts first."""
    return (*topology.hosts, *topology.vms, *topology.routers, *topology.switches)


def cables(topology: Topology) -> tuple[Switch | Link, ...]:
    """Everything in ``topology`` that joins nodes on the underlay."""
    return (*topology.switches, *topology.links)


def interfaces(machine: Machine) -> tuple[IPv4Interface | IPv6Interface, ...]:
    """The addresses of ``machine``, each with its prefix length."""
    return tuple(ip_interface(address) for address in machine.address)


def gateway_of(machine: Machine) -> IPv4Address | IPv6Address | None:
    """Where the default route of ``machine`` leads, if it has one."""
    return ip_address(machine.gateway) if machine.gateway else None


def mac_for(addresses: Sequence[IPv4Interface | IPv6Interface]) -> str:
    """A MAC address a person can read: 02:00 and the first IPv4 address, or "" without one.

    >>> mac_for([ip_interface("10.0.0.1/24")])
    '02:00:0a:00:00:01'
    """
    for address in addresses:
        if isinstance(address, IPv4Interface):
            return "02:00:" + address.ip.packed.hex(":")
    return ""


def device_of(vm: Vm) -> str:
    """The name of the device in the VM's host that leads to it."""
    return vm.device or f"tap-{vm.name}"


def mac_of(vm: Vm) -> str:
    """The VM's MAC address in lower case, or "" when the kernel is to choose one."""
    return vm.mac.lower() or mac_for(interfaces(vm))
