# SPDX-License-Identifier: Apache-2.0
"""Whether the parts of a topology fit together.

`check` answers with the first problem as ``FIELD: what is wrong with VALUE``, or None. The same rules hold for a file
and for nodes added one by one in Python, so both go through here.
"""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from vxnet.lab.topology import (
    Host,
    Link,
    Machine,
    Router,
    Switch,
    Topology,
    Vm,
    cables,
    device_of,
    gateway_of,
    interfaces,
    specs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE_NAME_MAX = 15
"""Linux's IFNAMSIZ is 16 bytes with the final zero."""

MTU_MIN, MTU_MAX = 68, 65535
"""Bounds of a veth's MTU in bytes; 68 is what IPv4 asks of every link (RFC 791, section 3.2)."""


def check(topology: Topology, *, finished: bool = True) -> str | None:
    """The first thing that cannot be in ``topology``, or None.

    An unfinished one, still being added to, may have hosts on no link.
    """
    return next(_problems(topology, finished=finished), None)


def _problems(topology: Topology, *, finished: bool) -> Iterator[str]:
    yield from _names(topology)
    for key, group in _groups(topology):
        for index, spec in enumerate(group):
            where = f"{key}[{index}]"
            if isinstance(spec, Switch):
                yield from _mtu(where, spec.mtu)
            else:
                yield from _machine(where, spec)
    yield from _vms(topology)
    yield from _joins(topology)
    if finished:
        yield from _loners(topology)


def _groups(topology: Topology) -> Iterator[tuple[str, tuple[Machine | Switch, ...]]]:
    yield "hosts", topology.hosts
    yield "vms", topology.vms
    yield "routers", topology.routers
    yield "switches", topology.switches


def _cables(topology: Topology) -> Iterator[tuple[str, Switch | Link]]:
    for index, switch in enumerate(topology.switches):
        yield f"switches[{index}]", switch
    for index, link in enumerate(topology.links):
        yield f"links[{index}]", link


def _names(topology: Topology) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", topology.name):
        yield f"name: {topology.name!r} is not letters, digits, '.', '_' and '-'"
    seen: set[str] = set()
    for key, group in _groups(topology):
        for index, spec in enumerate(group):
            # No hyphen: the namespace is LAB-NODE, and the last hyphen must tell the two apart.
            # Short: a switch names its ports after the nodes they lead to, beside its own lo and br0.
            if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._]{{,{DEVICE_NAME_MAX - 1}}}", spec.name):
                yield (
                    f"{key}[{index}].name: {spec.name!r} is not letters, digits, '.' and '_' (at most"
                    f" {DEVICE_NAME_MAX} characters)"
                )
            if spec.name in {"lo", "br0"}:
                yield f"{key}[{index}].name: {spec.name!r} is the name of a device in every switch"
            if spec.name in seen:
                yield f"{key}[{index}].name: {spec.name!r} is the name of another node"
            seen.add(spec.name)


def _machine(where: str, machine: Machine) -> Iterator[str]:
    for address in machine.address:
        try:
            interface = ip_interface(address)
        except ValueError:
            yield f"{where}.address: {address!r} is not an address with its prefix length, such as 10.0.0.1/24"
            return
        if "/" not in address:
            yield f"{where}.address: {address!r} lacks its prefix length, such as {address}/24"
        elif interface.ip.is_multicast or interface.ip.is_unspecified:
            yield f"{where}.address: {address!r} is not the address of one machine"
    if not machine.address and not isinstance(machine, Vm):
        yield f"{where}.address: at least one address is needed"
    try:
        gateway = gateway_of(machine)
    except ValueError:
        yield f"{where}.gateway: {machine.gateway!r} is not an address"
        return
    if gateway is not None and not any(gateway in i.network for i in interfaces(machine)):
        yield f"{where}.gateway: {machine.gateway!r} is in no subnet of {machine.name}"


def _mtu(where: str, mtu: int) -> Iterator[str]:
    if not MTU_MIN <= mtu <= MTU_MAX:
        yield f"{where}.mtu: {mtu} is not between {MTU_MIN} and {MTU_MAX}"


def _vms(topology: Topology) -> Iterator[str]:
    hosts = {host.name for host in topology.hosts}
    taken: set[tuple[str, str]] = set()
    for index, vm in enumerate(topology.vms):
        where, device = f"vms[{index}]", device_of(vm)
        if vm.host not in hosts:
            yield f"{where}.host: {vm.host!r} is not a host of this lab"
        if not re.fullmatch(rf"[^\s/:]{{1,{DEVICE_NAME_MAX}}}", device) or device in {".", ".."}:
            yield f"{where}.device: {device!r} is not a device name (at most {DEVICE_NAME_MAX} characters)"
        if device in {"lo", "eth0"} or (vm.host, device) in taken:
            yield f"{where}.device: {device!r} is the name of another device in {vm.host}"
        taken.add((vm.host, device))
        if vm.mac and not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", vm.mac):
            yield f"{where}.mac: {vm.mac!r} is not a MAC address such as 02:00:0a:00:00:01"
        elif vm.mac and (int(vm.mac[:2], 16) & 1 or not int(vm.mac.replace(":", ""), 16)):
            yield f"{where}.mac: {vm.mac!r} is a group or zero address, which no machine can have"
        yield from _mtu(where, vm.mtu)


def _joins(topology: Topology) -> Iterator[str]:
    """Hosts and routers on switches and links: each host once, and each join within one subnet."""
    known = {spec.name: spec for spec in specs(topology)}
    joined: Counter[str] = Counter()
    for where, cable in _cables(topology):
        if isinstance(cable, Link) and len(cable.nodes) != 2:
            yield f"{where}.nodes: {list(cable.nodes)!r} are not two; a switch joins any number"
        if len(set(cable.nodes)) != len(cable.nodes):
            yield f"{where}.nodes: {list(cable.nodes)!r} names a node twice"
        for name in cable.nodes:
            node = known.get(name)
            if not isinstance(node, Host | Router):
                yield f"{where}.nodes: {name!r} is not a host or router of this lab"
                return
            if isinstance(node, Host) and joined[name]:
                yield f"{where}.nodes: {name!r} is on another link or switch already, and a host has one eth0"
            joined[name] += 1
        if len(cable.nodes) > 1 and not shared_networks(topology, cable):
            yield f"{where}.nodes: {list(cable.nodes)!r} have no subnet in common"
        yield from _twice(where, topology, cable)
        yield from _mtu(where, cable.mtu)


def _twice(where: str, topology: Topology, cable: Switch | Link) -> Iterator[str]:
    owners: dict[object, str] = {}
    for machine in joined_by(topology, cable):
        for interface in interfaces(machine):
            owner = owners.setdefault(interface.ip, machine.name)
            if owner != machine.name:
                yield f"{where}.nodes: {owner!r} and {machine.name!r} both have the address {interface.ip}"


def _loners(topology: Topology) -> Iterator[str]:
    joined = {name for cable in cables(topology) for name in cable.nodes}
    for index, host in enumerate(topology.hosts):
        if host.name not in joined:
            yield f"hosts[{index}].name: {host.name!r} is on no link or switch"


def shared_networks(topology: Topology, cable: Switch | Link) -> frozenset[object]:
    """The subnets every node on ``cable`` has an address in: what runs over it."""
    networks = [frozenset[object](i.network for i in interfaces(m)) for m in joined_by(topology, cable)]
    return frozenset[object].intersection(*networks) if networks else frozenset()


def joined_by(topology: Topology, cable: Switch | Link) -> list[Host | Router]:
    """The hosts and routers on ``cable``, in the order it names them."""
    machines: list[Host | Router] = [*topology.hosts, *topology.routers]
    known = {machine.name: machine for machine in machines}
    return [known[name] for name in cable.nodes]
