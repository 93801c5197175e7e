# SPDX-License-Identifier: Apache-2.0
"""A lab: a topology, and the namespaces that make it real.

    with Lab.unique("demo") as lab:                                     with Lab.load("two-hosts.lab.toml") as lab:
        h1 = lab.host("h1", "192.168.146.131/24")                           assert not lab["a"].ping(lab["b"])
        h2 = lab.host("h2", "192.168.146.136/24")
        lab.link(h1, h2)
        a = lab.vm("a", on=h1, address="10.0.0.1/24")
        assert h1.ping(h2)

There is no state but the namespaces themselves: their names, and the mark on their ``lo``.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from vxnet.errors import ConfigError, LabError
from vxnet.lab import netns, steps
from vxnet.lab.capture import SNAPLEN
from vxnet.lab.carry_out import carry_out
from vxnet.lab.checks import check, joined_by
from vxnet.lab.labfile import load
from vxnet.lab.node import Node
from vxnet.lab.ready import wait_ready
from vxnet.lab.topology import UNDERLAY_MTU, VM_MTU, Host, Link, Router, Switch, Topology, Vm, specs
from vxnet.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from vxnet.lab.capture import Capture
    from vxnet.lab.steps import Step
    from vxnet.lab.tap import Tap
    from vxnet.lab.topology import Spec

T = TypeVar("T")

Nodes = str | Node


class Lab:
    """Hosts, VMs, routers and switches in namespaces named ``NAME-NODE``.

    As a context manager it removes everything at the end, also after a failure. ``echo``, such as ``print``, is told
    each command as one would type it. Every method that builds raises LabError if the machine does not do it,
    ConfigError if it cannot be, HostError without root.
    """

    def __init__(
        self,
        name: str,
        *,
        topology: Topology | None = None,
        origin: str = "",
        echo: Callable[[str], object] | None = None,
    ) -> None:
        """Begin a lab, empty or with a ``topology`` (from the file ``origin``); nothing is made yet."""
        self.topology = msgspec.structs.replace(topology or Topology(), name=name)
        self._check(self.topology)
        self._origin = origin
        self._echo = echo
        self._made: list[str] = []
        self._nodes = {spec.name: Node(name, spec, echo) for spec in specs(self.topology)}

    @classmethod
    def unique(cls, prefix: str = "lab", *, echo: Callable[[str], object] | None = None) -> Self:
        """An empty lab with a name of its own, so that it meets no other: ``PREFIX-3fa9c1``."""
        return cls(f"{prefix}-{secrets.token_hex(3)}", echo=echo)

    @classmethod
    def load(cls, file: str | Path, *, name: str | None = None, echo: Callable[[str], object] | None = None) -> Self:
        """The lab a topology file describes, not built yet (see `up`); ``name`` instead of the file's for a copy."""
        topology = load(file)
        origin = "" if name else str(Path(file).resolve())
        return cls(name or topology.name, topology=topology, origin=origin, echo=echo)

    @property
    def name(self) -> str:
        """The name its namespaces begin with."""
        return self.topology.name

    # -- the whole lab ------------------------------------------------------------------------------------------

    def steps(self) -> list[Step]:
        """What `up` does, in order."""
        return list(steps.build(self.topology, self._origin))

    def up(self, progress: Callable[[int, int], object] | None = None) -> None:
        """Build all of the topology, or nothing.

        ``progress`` is told how many steps are done, and of how many. Raises LabError if a namespace exists already.
        """
        netns.require_root()
        for node in self:
            self._refuse_existing(node.namespace)
        todo = self.steps()
        count = 0

        def done(step: Step) -> None:
            nonlocal count
            count += 1
            self._remember(step)
            if progress:
                progress(count, len(todo))

        try:
            carry_out(todo, self._echo, done)
            wait_ready(todo)
        except LabError:
            self._remove(self._made)
            raise
        except BaseException:  # interrupted: what was being made then is known by its name alone
            self._remove(list(self._ours()))
            raise

    def down(self) -> None:
        """End what runs in the lab and remove its namespaces; whatever is not there is passed over.

        That includes nodes the topology no longer has. Raises LabError if a namespace of that name is not a lab's.
        """
        netns.require_root()
        ours = list(self._ours())
        with contextlib.ExitStack() as last_first:
            last_first.callback(lambda: self._remove(ours))
            for node in self:
                last_first.callback(node.close)
            last_first.callback(lambda: netns.end({*netns.processes(ours), *self._started()}))
            for node in self:
                last_first.callback(node.stop_captures)

    def __enter__(self) -> Self:
        """Build the topology, unless it has been built already, and return the lab."""
        if not self._made:
            self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take it down."""
        self.down()

    # -- its nodes ----------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Node]:
        """All nodes: hosts, VMs, routers and switches."""
        return iter(self._nodes.values())

    def __getitem__(self, name: Nodes) -> Node:
        """The node of that name. Raises LabError if there is none."""
        if isinstance(name, Node):
            return name
        try:
            return self._nodes[name]
        except KeyError:
            raise LabError(f"lab {self.name} has no node {name!r}, but {', '.join(self._nodes)}") from None

    def host(self, name: str, address: str | Sequence[str], *, gateway: str = "") -> Node:
        """Add a host; it gets its ``eth0`` when a `link` or `switch` joins it."""
        host = Host(name=name, address=_several(address), gateway=gateway)
        grown = self._grown(hosts=(*self.topology.hosts, host))
        return self._add(grown, host, [steps.spawn(self.name, host), *steps.settle(self.name, host)])

    def router(self, name: str, address: str | Sequence[str], *, gateway: str = "") -> Node:
        """Add a router with one address in each subnet it is going to join."""
        router = Router(name=name, address=_several(address), gateway=gateway)
        grown = self._grown(routers=(*self.topology.routers, router))
        return self._add(grown, router, [steps.spawn(self.name, router), *steps.settle(self.name, router)])

    def vm(
        self,
        name: str,
        *,
        on: Nodes,
        address: str | Sequence[str] = (),
        device: str = "",
        mac: str = "",
        mtu: int = VM_MTU,
        gateway: str = "",
    ) -> Node:
        """Add a VM whose eth0 leads to ``device`` (``tap-NAME`` unless given) in the host ``on``."""
        vm = Vm(
            name=name, host=self[on].name, address=_several(address), device=device, mac=mac, mtu=mtu, gateway=gateway
        )
        grown = self._grown(vms=(*self.topology.vms, vm))
        wired = [steps.spawn(self.name, vm), steps.wire_vm(self.name, vm)]
        return self._add(grown, vm, [*wired, *steps.settle(self.name, vm), steps.settle_port(self.name, vm)])

    def link(self, one: Nodes, other: Nodes, *, mtu: int = UNDERLAY_MTU) -> None:
        """Join two hosts or routers by a cable."""
        link = Link(nodes=(self[one].name, self[other].name), mtu=mtu)
        grown = self._grown(links=(*self.topology.links, link))
        self._build(grown, [*steps.wire_cable(grown, link), *_settled(grown, link)])

    def switch(self, name: str, *nodes: Nodes, mtu: int = UNDERLAY_MTU) -> Node:
        """Join any number of hosts and routers by an Ethernet switch."""
        switch = Switch(name=name, nodes=tuple(self[node].name for node in nodes), mtu=mtu)
        grown = self._grown(switches=(*self.topology.switches, switch))
        wired = [steps.spawn(self.name, switch), *steps.wire_cable(grown, switch)]
        return self._add(grown, switch, [*wired, *steps.settle(self.name, switch), *_settled(grown, switch)])

    # -- what is done with them ---------------------------------------------------------------------------------

    def tap(self, host: Nodes, name: str, *, mtu: int | None = None, vnet_header: bool = False) -> Tap:
        """A TAP device in ``host``, whose frames this program reads and writes."""
        return self[host].tap(name, mtu=mtu, vnet_header=vnet_header)

    def capture(
        self, node: Nodes, device: str, file: str | Path, *, matching: str = "", snaplen: int = SNAPLEN
    ) -> Capture:
        """Capture a device of ``node`` into ``file`` until stopped, at the latest when the lab is taken down."""
        return self[node].capture(device, file, matching=matching, snaplen=snaplen)

    @staticmethod
    def wait(condition: Callable[[], T], *, timeout: float = 5.0, what: str = "") -> T:
        """Ask ``condition`` until it answers with something true, and return that; LabError after ``timeout`` s."""
        return wait_until(condition, timeout=timeout, what=what)

    # -- how it is done -----------------------------------------------------------------------------------------

    def _grown(self, **parts: object) -> Topology:
        """The topology with more in it. Raises ConfigError if that cannot be."""
        grown = msgspec.structs.replace(self.topology, **parts)
        self._check(grown)
        return grown

    @staticmethod
    def _check(topology: Topology) -> None:
        problem = check(topology, finished=False)
        if problem is not None:
            raise ConfigError(f"lab {topology.name}: {problem}")

    def _add(self, grown: Topology, spec: Spec, todo: list[Step]) -> Node:
        """Make one node; when that fails nothing is left of it."""
        netns.require_root()
        node = Node(self.name, spec, self._echo)
        self._refuse_existing(node.namespace)
        try:
            self._build(grown, todo)
        except BaseException:
            if netns.exists(node.namespace):
                self._remove([node.namespace])
            raise
        self._nodes[node.name] = node
        return node

    def _build(self, grown: Topology, todo: list[Step]) -> None:
        """Carry out the steps that make the topology ``grown``; when that fails their wires are gone."""
        made: list[Step] = []
        try:
            carry_out(todo, self._echo, made.append)
            wait_ready(todo)
        except BaseException:
            carry_out(steps.unwire(made), self._echo)
            raise
        self.topology = grown
        for step in made:
            self._remember(step)

    def _remember(self, step: Step) -> None:
        """Note the namespaces that were made here: only those are removed when something fails."""
        if isinstance(step, steps.Ip) and step.words[:2] == ("netns", "add"):
            self._made.append(step.words[2])

    @staticmethod
    def _refuse_existing(namespace: str) -> None:
        if not netns.exists(namespace):
            return
        _, _, owner = netns.mark(namespace).partition(steps.MARK)
        lab, _, file = owner.partition(" ")
        if file:
            raise LabError(f"namespace {namespace} exists already, in lab {lab}; remove it: vxnet lab down {file}")
        whose = f"in a program's lab {lab}" if lab else "and is no lab's"
        raise LabError(f"namespace {namespace} exists already, {whose}; remove it: ip netns delete {namespace}")

    def _ours(self) -> Iterator[str]:
        """The namespaces of this lab that exist, by name and mark, in the topology or not."""
        for namespace in netns.names():
            lab, _, node = namespace.rpartition("-")
            if lab != self.name:
                continue
            mark = netns.mark(namespace)
            if namespace in self._made or f"{mark} ".startswith(f"{steps.MARK}{self.name} "):
                yield namespace
            elif node in self._nodes:
                if mark or not netns.unfinished(namespace):
                    raise LabError(f"namespace {namespace} is not of this lab; see: ip -n {namespace} address")
                yield namespace

    def _started(self) -> list[int]:
        """The processes started by popen() that still run, wherever they are now."""
        return [process.pid for node in self for process in node.processes if process.poll() is None]

    def _remove(self, namespaces: list[str]) -> None:
        netns.end(netns.processes(namespaces))
        carry_out([steps.Ip("", ("netns", "delete", name)) for name in namespaces], self._echo)
        self._made = [name for name in self._made if name not in namespaces]


def _several(address: str | Sequence[str]) -> tuple[str, ...]:
    return (address,) if isinstance(address, str) else tuple(address)


def _settled(topology: Topology, cable: Switch | Link) -> Iterator[Step]:
    """What every node on ``cable``, and a switch itself, does for it."""
    for spec in (*joined_by(topology, cable), *((cable,) if isinstance(cable, Switch) else ())):
        yield from steps.settle_on_cable(topology, cable, spec)
