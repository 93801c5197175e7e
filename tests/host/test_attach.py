# SPDX-License-Identifier: Apache-2.0
"""How programs get to the ingress of devices and off again: by tcx, and by clsact as on kernels before 6.6.

a --tap-a-- [ h1 ] eth0 ------- eth0 [ h2 ] --tap-b-- b        blue, VNI 10, remotes
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace

from bench import bpf
from tests.support.labs import two_hosts
from tests.support.running import base
from tests.support.stream import Stream
from vxnet.datapath import attach, kernel, ports
from vxnet.datapath.actual import read
from vxnet.datapath.apply import Datapath
from vxnet.datapath.devices import devices
from vxnet.datapath.libbpf import loading, objects
from vxnet.lab import Lab
from vxnet.model import DOWN
from vxnet.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node
    from vxnet.model import HostState

PORT, UNDERLAY, OVERLAY = ("tap-a", kernel.ACCESS), ("eth0", kernel.UNDERLAY), ("vxnet4789", kernel.OVERLAY)
FOREIGN_FILTER = "tc filter add dev {} ingress prio {} protocol all bpf bytecode '1,6 0 0 0' classid 1:1"


class Net(NamedTuple):
    """The network drawn above; no vxnet is on its hosts yet."""

    h1: Node
    h2: Node
    a: Node
    b: Node
    folder: Path


class Switch:
    """The switch of one host, changed by the test itself."""

    def __init__(self, node: Node, run_dir: Path) -> None:
        self._node = node
        self.run_dir = run_dir

    def bring(self, state: HostState) -> None:
        """Adopt what is there, as a daemon that starts, and bring it to ``state``; no fault is left."""
        with self._node.enter():
            datapath = Datapath(self.run_dir)
            datapath.replace_programs()
            datapath.apply(plan(state, read(self.run_dir)))
            assert plan(state, read(self.run_dir)) == ()
        if datapath._parts:
            datapath._parts.close()


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    """The hosts and the VMs."""
    with Lab.unique("attach") as lab:
        h1, h2 = two_hosts(lab)
        a, b = lab.vm("a", on=h1, address="10.0.0.1/24"), lab.vm("b", on=h2, address="10.0.0.2/24")
        yield Net(h1, h2, a, b, tmp_path)


def only(state: HostState) -> HostState:
    """Return ``state`` with blue alone."""
    return replace(state, segments=state.segments[:1], ports=state.ports[:1])


ONE = only(base("192.168.146.131", "192.168.146.136", "tap-a", "none"))
TWO = only(base("192.168.146.136", "192.168.146.131", "tap-b", "none"))


@pytest.fixture(params=["tcx", "clsact"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The two ways; where the kernel has no tcx there is only the one."""
    if request.param == "clsact":
        monkeypatch.setattr(attach, "has_tcx", lambda: False)
    elif not attach.has_tcx():
        pytest.skip("this kernel has no tcx")
    return str(request.param)


@contextmanager
def stranger(node: Node, device: str) -> Iterator[int]:
    """A program on ``device`` that is not of vxnet, and lets everything by that this test sends; its id."""
    loaded = bpf.load("sink")
    try:
        bpf.attach(node, device, loaded, "sink")
        yield objects.program(loaded.programs["sink"]).id
        bpf.detach(node, device, loaded)
    finally:
        loading.close(loaded)


def attached(node: Node, device: str) -> list[attach.Attached]:
    """Return what is at the ingress of a device."""
    with node.enter():
        return list(attach.programs(devices().by_name[device].index))


def filters(node: Node, device: str) -> str:
    """Return what tc says of the device's ingress."""
    return node.run(f"tc filter show dev {device} ingress").stdout


def test_attached_and_detached(net: Net, way: str) -> None:
    """Each device has its program, once, the way that the kernel has; and nothing is left of it afterwards."""
    switch = Switch(net.h1, net.folder / "one")
    switch.bring(ONE)
    switch.bring(ONE)
    for device, name in (PORT, UNDERLAY, OVERLAY):
        (found,) = attached(net.h1, device)
        assert found.program.name == name
        assert bool(found.filter) is (way == "clsact")
        assert (name in filters(net.h1, device)) is (way == "clsact")
    switch.bring(DOWN)
    assert attached(net.h1, "tap-a") == attached(net.h1, "eth0") == []
    assert "clsact" not in net.h1.run("tc qdisc show").stdout


@pytest.mark.usefixtures("way")
def test_no_packet_is_lost_while_programs_are_replaced(net: Net) -> None:
    """Programs of one daemon after another, in full traffic: every packet meets the one or the other."""
    one, two = Switch(net.h1, net.folder / "one"), Switch(net.h2, net.folder / "two")
    one.bring(ONE)
    two.bring(TWO)
    seen = set()
    with Stream(net.a, net.b) as stream:
        for _ in range(10):
            one.bring(ONE)
            two.bring(TWO)
            seen |= {found.program.id for found in attached(net.h1, "tap-a")}
            stream.flows(10)
    assert len(seen) == 10
    assert stream.lost == set()
    one.bring(DOWN)
    two.bring(DOWN)


@pytest.mark.usefixtures("way")
def test_programs_of_others_stay_and_come_first(net: Net) -> None:
    """Whoever was on a device before vxnet goes on seeing its packets, before vxnet, while it is replaced and after."""
    switch, other = Switch(net.h1, net.folder / "one"), Switch(net.h2, net.folder / "two")
    other.bring(TWO)
    with stranger(net.h1, "eth0") as before:
        switch.bring(ONE)
        with stranger(net.h1, "eth0") as after:
            for _ in range(2):
                switch.bring(ONE)
                names = [found.program.name for found in attached(net.h1, "eth0")]
                assert names == ["sink", kernel.UNDERLAY, "sink"]
                assert [found.program.id for found in attached(net.h1, "eth0")][::2] == [before, after]
                assert net.a.ping(net.b), "it comes between the two"
            switch.bring(DOWN)
            assert [found.program.id for found in attached(net.h1, "eth0")] == [before, after]
    other.bring(DOWN)


def test_filters_of_others_stay(net: Net, way: str) -> None:
    """Filters in clsact, with programs or without, with low priorities or with ours, are not touched."""
    switch = Switch(net.h1, net.folder / "one")
    net.h1.run("tc qdisc add dev tap-a clsact")
    for priority in (1, 49153):
        net.h1.run(FOREIGN_FILTER.format("tap-a", priority))
    net.h1.run("tc filter add dev tap-a ingress prio 49154 protocol ip u32 match u32 0 0 classid 1:1")
    before = filters(net.h1, "tap-a")
    switch.bring(ONE)
    assert ("pref 49155 bpf" in filters(net.h1, "tap-a")) is (way == "clsact")
    switch.bring(ONE)
    switch.bring(DOWN)
    assert filters(net.h1, "tap-a") == before


def test_two_instances_on_one_device(net: Net, tmp_path: Path) -> None:
    """Each knows its own program on the underlay device, and the going of one is nothing to the other."""
    one, two = Switch(net.h1, tmp_path / "one"), Switch(net.h1, tmp_path / "two")
    one.bring(ONE)
    assert ONE.vtep
    two.bring(replace(ONE, vtep=replace(ONE.vtep, dstport=8472), ports=()))
    assert [found.program.name for found in attached(net.h1, "eth0")] == [kernel.UNDERLAY] * 2
    one.bring(DOWN)
    two.bring(replace(ONE, vtep=replace(ONE.vtep, dstport=8472), ports=()))
    assert [found.program.name for found in attached(net.h1, "eth0")] == [kernel.UNDERLAY]
    two.bring(DOWN)
    assert attached(net.h1, "eth0") == []


@pytest.mark.skipif("not __import__('vxnet.datapath.attach').datapath.attach.has_tcx()", reason="no tcx here")
def test_filters_of_an_older_vxnet_are_taken_over(net: Net) -> None:
    """A vxnet that knows tcx adopts one that did not: without loss, and nothing is left in clsact, nor of it."""
    one, two = Switch(net.h1, net.folder / "one"), Switch(net.h2, net.folder / "two")
    with pytest.MonkeyPatch.context() as older:
        older.setattr(attach, "has_tcx", lambda: False)
        one.bring(ONE)
        two.bring(TWO)
    assert "vxnet_access" in filters(net.h1, "tap-a")
    with Stream(net.a, net.b) as stream:
        one.bring(ONE)
        two.bring(TWO)
        stream.flows()
    assert stream.lost == set()
    for device, _ in (PORT, UNDERLAY, OVERLAY):
        assert [found.filter for found in attached(net.h1, device)] == [None]
    one.bring(DOWN)
    two.bring(DOWN)
    for node in (net.h1, net.h2):
        assert "clsact" not in node.run("tc qdisc show").stdout


def test_a_port_that_is_taken_to_another_namespace(net: Net) -> None:
    """A device takes tcx programs along: there, they let everything by."""
    switch = Switch(net.h1, net.folder / "one")
    switch.bring(ONE)
    net.h1.ip("link", "set", "tap-a", "netns", net.h2.namespace)
    switch.bring(replace(ONE, ports=()))
    net.h2.ip("address", "add", "10.0.0.9/24", "dev", "tap-a")
    net.h2.ip("link", "set", "tap-a", "up")
    net.a.run("ping -c 1 -W 2 10.0.0.9")
    switch.bring(DOWN)


def test_a_port_can_answer_before_it_is_asked(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is flooded reaches a new port only once its program is there: who is asked earlier answers into nothing."""
    switch = Switch(net.h1, net.folder / "h1")
    places: list[int] = []

    def look(ifindex: int, *about: int, quickly: bool = False) -> None:
        places.append(flooded(switch.run_dir))
        attach.attach(ifindex, *about, quickly=quickly)
        places.append(flooded(switch.run_dir))

    switch.bring(replace(ONE, ports=()))
    monkeypatch.setattr(ports, "attach", look)
    switch.bring(ONE)
    with net.h1.enter():
        assert [*places, flooded(switch.run_dir)] == [1, 1, 2]  # the remote; then the port as well


def flooded(run_dir: Path) -> int:
    """Return to how many places the one segment's BUM goes."""
    maps = kernel.find(run_dir)
    assert maps
    with maps:
        (count,) = (domain.flood_count for _, domain in maps.domains.items() if domain.used)
        return int(count)
