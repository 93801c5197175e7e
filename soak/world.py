# SPDX-License-Identifier: Apache-2.0
"""Three hosts, four machines that must not notice anything, six that are never left alone, and what is to be."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from tests.support.running import GROUP, Host
from vxnet.lab.wait import wait_until
from vxnet.model import HostState, Port, Segment, Vtep

if TYPE_CHECKING:
    from pathlib import Path

    from vxnet.lab import Lab, Node

HOSTS = {f"h{n}": IPv4Address(f"192.168.146.{130 + n}") for n in (1, 2, 3)}
LASTING, FLAPPING = "h1", "h3"
"""The host whose daemon is never ended, and the one without victims, whose underlay comes and goes."""

VICTIMS = {"v1": ("h1", "blue", "10.0.1.1"), "v2": ("h2", "blue", "10.0.1.2")}
LISTENERS = {"w1": ("h1", "green", "10.0.2.1"), "w2": ("h2", "green", "10.0.2.2")}
MOVERS = {f"m{n}": f"10.0.3.{n}" for n in range(1, 7)}
AT_FIRST = {"m1": "h1", "m2": "h1", "m3": "h2", "m4": "h2", "m5": "h3", "m6": "h3"}

SETTLES = 60.0
"""Seconds within which a host has to be what it is to be, on a machine that is busy."""


class World:
    """The lab, and what it is to be."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        nodes = {name: lab.host(name, f"{address}/24") for name, address in HOSTS.items()}
        lab.switch("sw", *nodes.values())
        self.hosts = {name: Host(node, folder) for name, node in nodes.items()}
        self.machines: dict[str, Node] = {
            name: lab.vm(name, on=nodes[on], address=f"{address}/24")
            for name, (on, _, address) in (VICTIMS | LISTENERS).items()
        }
        for name, address in MOVERS.items():
            self.machines[name] = lab.vm(name, on=nodes[AT_FIRST[name]], address=f"{address}/24")
        self._macs = {name: self.machines[name].mac for name in MOVERS}
        self.places: dict[str, str] = dict(AT_FIRST)
        self.extra: dict[str, set[int]] = {name: set() for name in HOSTS}
        self.without: dict[str, set[str]] = {name: set() for name in HOSTS}
        """The remotes that a host's red segment lacks just now."""

    def state(self, name: str) -> HostState:
        """Return what a host is to be."""
        others = {other: address for other, address in HOSTS.items() if other != name}
        red = tuple(address for other, address in others.items() if other not in self.without[name])
        settled = [(m, segment) for m, (on, segment, _) in (VICTIMS | LISTENERS).items() if on == name]
        moving = [(m, "red") for m in MOVERS if self.places.get(m) == name]
        return HostState(
            vtep=Vtep(local=HOSTS[name]),
            segments=(
                Segment(name="blue", vni=10, remotes=tuple(others.values())),
                Segment(name="green", vni=20, group=GROUP),
                Segment(name="red", vni=30, remotes=red, ageing=20),
                *(Segment(name=f"s{n}", vni=100 + n, remotes=tuple(others.values())) for n in sorted(self.extra[name])),
            ),
            ports=tuple(Port(device=f"tap-{machine}", segment=segment) for machine, segment in settled + moving),
        )

    def up(self, *names: str) -> None:
        """Bring hosts, or all of them, to what they are to be, and wait until they are."""
        for name in names or HOSTS:
            self.hosts[name].vxnet("up", str(self.hosts[name].file(self.state(name))))
        self.settled(*names)

    def settled(self, *names: str) -> None:
        """Wait until hosts, or all of them, are what they are to be: `vxnet plan` has nothing to do."""
        for name in names or HOSTS:
            wait_until(lambda name=name: self._is_settled(name), timeout=SETTLES, what=f"{name}: an empty plan")  # type: ignore[misc]

    def _is_settled(self, name: str) -> bool:
        return self.hosts[name].changes(self.state(name)) == ()

    def unplug(self, machine: str) -> None:
        """Take a machine's cable away."""
        self.hosts[self.places.pop(machine)].node.ip(f"link delete tap-{machine}")

    def plug(self, machine: str, name: str) -> None:
        """Plug a machine in at a host, with the MAC and the address that it has always had."""
        host, node = self.hosts[name].node, self.machines[machine]
        host.ip(f"link add tap-{machine} type veth peer name eth0 address {self._macs[machine]} netns {node.namespace}")
        host.ip(f"link set tap-{machine} up")
        node.ip(f"address add {MOVERS[machine]}/24 dev eth0")
        node.ip("link set eth0 up")
        self.places[machine] = name

    def talk(self, one: str, other: str) -> None:
        """Let two machines reach each other, wherever they are; LabError if they do not in the end."""
        a, b = self.machines[one], self.machines[other]
        wait_until(lambda: a.ping(b, timeout=0.5), timeout=SETTLES, what=f"{one} to reach {other}")
