# SPDX-License-Identifier: Apache-2.0
"""What is done to the machine to build a lab, as values: nothing here touches it.

    h1 = (netns LAB-h1)                    sw = (netns LAB-sw)                    h2 = (netns LAB-h2)
      lo up, alias says whose it is          br0: no STP, no IGMP snooping
      tap-a <- veth -> eth0 in LAB-a         h1, h2: ports of br0
      eth0  <------------- veth ------------> h1     h2 <------------ veth -----------> eth0

A lab is built in three strokes, so that ``ip`` runs once for each namespace and not once for each command:
    1. spawn    the namespaces
    2. wire     the veth pairs between them
    3. settle   inside each namespace: sysctls, devices up, addresses, routes
"""

from __future__ import annotations

import shlex
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING

import msgspec

from vxnet.lab.checks import joined_by, shared_networks
from vxnet.lab.topology import (
    Host,
    Link,
    Router,
    Switch,
    Vm,
    cables,
    device_of,
    gateway_of,
    interfaces,
    mac_for,
    mac_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vxnet.lab.topology import Machine, Spec, Topology

MARK = "vxnet lab "
"""Begins the alias of ``lo`` in every namespace of a lab, so that no other namespace is ever taken for one."""

BRIDGE = "br0"
"""The bridge in a switch; its ports are named after the nodes they lead to."""

ODD_INDEX = 1000
"""Device number of eth0 in VMs and hosts. When both ends of a veth have the same number, as the first devices of two
namespaces do, the kernel does not see that one hangs on the other, and is in no hurry to say that they are up: it may
take a second (linkwatch_urgent_event in net/core/link_watch.c)."""

QUIET = {
    "net.ipv6.conf.all.disable_ipv6": "1",  # no router solicitations, no multicast reports: only what is tested
    "net.ipv6.conf.default.disable_ipv6": "1",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.default.router_solicitations": "0",
    "net.ipv4.conf.all.rp_filter": "0",  # a new namespace inherits these from the machine: be the same on each
    "net.ipv4.conf.default.rp_filter": "0",
}
"""Set in every namespace before its devices are up."""

FORWARDING = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
"""On in routers and off elsewhere, whatever the machine does."""

NO_FILTER = tuple(f"net.bridge.bridge-nf-call-{table}" for table in ("arptables", "ip6tables", "iptables"))
"""With the module br_netfilter loaded a bridge drops what the IP stack would: a switch must not look that far."""


class Ip(msgspec.Struct, frozen=True):
    """One command of iproute2 in ``namespace``, or in the machine's own when that is ""."""

    namespace: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        """The command as one would type it."""
        inside = ("-n", self.namespace) if self.namespace else ()
        return shlex.join(("ip", *inside, *self.words))


class Sysctl(msgspec.Struct, frozen=True):
    """One kernel setting in ``namespace``; an ``optional`` one is left out where the kernel has no such setting."""

    namespace: str
    key: str
    value: str
    optional: bool = False

    def __str__(self) -> str:
        """The command as one would type it."""
        return typed([self])


def typed(settings: Sequence[Sysctl]) -> str:
    """Settings of one namespace, as one would type them."""
    pairs = " ".join(f"{setting.key}={setting.value}" for setting in settings)
    return f"nsenter --net=/run/netns/{settings[0].namespace} sysctl -qw {pairs}"


Step = Ip | Sysctl
Addresses = tuple[IPv4Interface | IPv6Interface, ...]


def namespace_of(lab: str, node: str) -> str:
    """The name of a node's namespace."""
    return f"{lab}-{node}"


def build(topology: Topology, origin: str = "") -> Iterator[Step]:
    """All steps from nothing to the whole lab; ``origin`` is the file it is described in."""
    groups: tuple[tuple[Spec, ...], ...] = (topology.switches, topology.routers, topology.hosts, topology.vms)
    nodes = [spec for group in groups for spec in group]
    for spec in nodes:
        yield spawn(topology.name, spec)
    for cable in cables(topology):
        yield from wire_cable(topology, cable)
    for vm in topology.vms:
        yield wire_vm(topology.name, vm)
    for spec in nodes:
        yield from settle(topology.name, spec, origin)
        for cable in cables(topology):
            yield from settle_on_cable(topology, cable, spec)
        for vm in topology.vms:
            if vm.host == spec.name:
                yield settle_port(topology.name, vm)


def spawn(lab: str, spec: Spec) -> Ip:
    """Make a node's namespace."""
    return Ip("", ("netns", "add", namespace_of(lab, spec.name)))


def settle(lab: str, spec: Spec, origin: str = "") -> Iterator[Step]:
    """What a node needs whatever it is joined to: the mark, quiet, and by its role addresses, bridge or forwarding."""
    namespace = namespace_of(lab, spec.name)
    forwards = str(int(isinstance(spec, Router)))
    for key, value in {**QUIET, **dict.fromkeys(FORWARDING, forwards)}.items():
        yield Sysctl(namespace, key, value)
    for key in NO_FILTER if isinstance(spec, Switch) else ():
        yield Sysctl(namespace, key, "0", optional=True)
    yield Ip(namespace, ("link", "set", "lo", "up", "alias", f"{MARK}{lab} {origin}".rstrip()))
    if isinstance(spec, Switch):
        options = ("stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
        yield Ip(namespace, ("link", "add", BRIDGE, "mtu", str(spec.mtu), "type", "bridge", *options))
        yield Ip(namespace, ("link", "set", BRIDGE, "up"))
    if isinstance(spec, Vm):
        yield from _device(namespace, "eth0", interfaces(spec))
        yield from _default_route(namespace, spec, interfaces(spec))


def wire_vm(lab: str, vm: Vm) -> Ip:
    """The veth pair between a VM's eth0 and its device in the host."""
    near = _end("eth0", namespace_of(lab, vm.name), mac_of(vm), vm.mtu, ODD_INDEX)
    far = _end(device_of(vm), namespace_of(lab, vm.host), "", vm.mtu)
    return Ip("", ("link", "add", *near, "type", "veth", "peer", *far))


def settle_port(lab: str, vm: Vm) -> Ip:
    """Bring up a VM's device in its host."""
    return Ip(namespace_of(lab, vm.host), ("link", "set", device_of(vm), "up"))


def wire_cable(topology: Topology, cable: Switch | Link) -> Iterator[Ip]:
    """The veth pairs of a link (one) or a switch (one for each node)."""
    lab = topology.name
    machines = joined_by(topology, cable)
    # On a link one end is enough, and only a host is sure to have the number free: it has one underlay device.
    odd = next((machine for machine in machines if isinstance(machine, Host)), None)
    ends = []
    for machine in machines:
        device, addresses = device_on_cable(topology, cable, machine)
        index = ODD_INDEX if isinstance(machine, Host) and (machine is odd or isinstance(cable, Switch)) else 0
        ends.append(_end(device, namespace_of(lab, machine.name), mac_for(addresses), cable.mtu, index))
    if isinstance(cable, Link):
        near, far = ends
        yield Ip("", ("link", "add", *near, "type", "veth", "peer", *far))
        return
    for name, near in zip(cable.nodes, ends, strict=True):
        far = _end(name, namespace_of(lab, cable.name), "", cable.mtu)
        yield Ip("", ("link", "add", *near, "type", "veth", "peer", *far))


def unwire(steps: Sequence[Step]) -> Iterator[Ip]:
    """Remove the veth pairs that ``steps`` made, at once: a pair goes with a namespace too, but some time later."""
    for step in steps:
        match step:
            case Ip("", ("link", "add", "name", device, *rest)):
                yield Ip(rest[rest.index("netns") + 1], ("link", "delete", device))
            case _:
                pass


def settle_on_cable(topology: Topology, cable: Switch | Link, spec: Spec) -> Iterator[Step]:
    """What the node ``spec`` does for its part in ``cable``; nothing if it has none."""
    namespace = namespace_of(topology.name, spec.name)
    if isinstance(spec, Host | Router) and spec.name in cable.nodes:
        device, addresses = device_on_cable(topology, cable, spec)
        yield from _device(namespace, device, addresses)
        yield from _default_route(namespace, spec, addresses)
    if spec == cable:
        for name in cable.nodes:
            yield Ip(namespace, ("link", "set", name, "master", BRIDGE, "up"))


def device_on_cable(topology: Topology, cable: Switch | Link, machine: Host | Router) -> tuple[str, Addresses]:
    """The device by which ``machine`` is on ``cable``, and the addresses it has there.

    A host has one device with all its addresses. A router's address number n, from 0, is on eth<n>, together with
    those of its further addresses whose subnets run over the same cable (an IPv6 subnet beside the IPv4 one).
    """
    addresses = interfaces(machine)
    if isinstance(machine, Host):
        return "eth0", addresses
    shared = shared_networks(topology, cable)
    here = tuple(address for address in addresses if address.network in shared)
    return f"eth{addresses.index(here[0])}", here


def _end(device: str, namespace: str, mac: str, mtu: int, index: int = 0) -> tuple[str, ...]:
    """One end of a veth pair, as ``ip link add`` wants it."""
    number = ("index", str(index)) if index else ()
    address = ("address", mac) if mac else ()
    return ("name", device, *number, *address, "mtu", str(mtu), "netns", namespace)


def _device(namespace: str, device: str, addresses: Addresses) -> Iterator[Step]:
    """Bring up a device and give it its addresses, usable at once (IPv6 without duplicate address detection)."""
    if any(isinstance(a, IPv6Interface) for a in addresses):
        for name in ("lo", device):
            yield Sysctl(namespace, f"net.ipv6.conf.{name}.disable_ipv6", "0")
    yield Ip(namespace, ("link", "set", device, "up"))
    for address in addresses:
        nodad = ("nodad",) if isinstance(address, IPv6Interface) else ()
        yield Ip(namespace, ("address", "add", str(address), *nodad, "dev", device))


def _default_route(namespace: str, machine: Machine, here: Addresses) -> Iterator[Ip]:
    gateway = gateway_of(machine)
    if gateway is not None and any(gateway in address.network for address in here):
        yield Ip(namespace, ("route", "add", "default", "via", str(gateway)))
