# SPDX-License-Identifier: Apache-2.0
"""VTEPs in different IP subnets, with routers between them, and what only such a network does to packets.

a --tap-a-- [ h1 ] eth0 --- eth0 [ r1 ] eth1 --- eth0 [ r2 ] eth1 --- eth0 [ h2 ] --tap-b-- b
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.vteps import Switch, transfer
from vxnet.lab import Lab
from vxnet.model import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node

H1, H2 = IPv4Address("192.168.1.10"), IPv4Address("192.168.3.10")


class Net(NamedTuple):
    """The lab drawn above, with all ports in segment blue."""

    h1: Switch
    h2: Switch
    r1: Node
    a: Node
    b: Node


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Both hosts up."""
    folder = tmp_path_factory.mktemp("routed")
    with Lab.unique("vxrt") as lab:
        h1 = lab.host("h1", f"{H1}/24", gateway="192.168.1.1")
        h2 = lab.host("h2", f"{H2}/24", gateway="192.168.3.1")
        r1 = lab.router("r1", ["192.168.1.1/24", "192.168.2.1/24"], gateway="192.168.2.2")
        r2 = lab.router("r2", ["192.168.2.2/24", "192.168.3.1/24"], gateway="192.168.2.1")
        for one, other in ((h1, r1), (r1, r2), (r2, h2)):
            lab.link(one, other)
        a = lab.vm("a", on=h1, address=["10.0.0.1/24", "fd00::1/64"])
        b = lab.vm("b", on=h2, address=["10.0.0.2/24", "fd00::2/64"])
        left, right = Switch(h1, folder), Switch(h2, folder)
        left.bring(Segment(name="blue", vni=7, remotes=(H2,)), ports={"tap-a": "blue"})
        right.bring(Segment(name="blue", vni=7, remotes=(H1,)), ports={"tap-b": "blue"})
        yield Net(left, right, r1, a, b)
        left.take_down()
        right.take_down()


def test_reach(net: Net, tmp_path: Path) -> None:
    """Packets go to the gateway's MAC, two routers take two off the TTL, and tenants see one Ethernet."""
    assert net.a.ping(net.b)
    with (
        net.h1.node.capture("eth0", tmp_path / "h1.pcapng", matching="udp port 4789") as left,
        net.h2.node.capture("eth0", tmp_path / "h2.pcapng", matching="udp port 4789") as right,
    ):
        assert net.a.ping(net.b)
    fields = ("ip.src", "ip.dst", "ip.ttl", "eth.dst")
    sent, _ = left.fields(*fields, matching="icmp")
    came, _ = right.fields(*fields, matching="icmp")
    with net.r1.enter():
        gateway = net.r1.mac
    assert sent == (f"{H1},10.0.0.1", f"{H2},10.0.0.2", "64,64", f"{gateway},{net.b.mac}")
    assert came == (f"{H1},10.0.0.1", f"{H2},10.0.0.2", "62,64", f"{net.h2.node.mac},{net.b.mac}")


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_streams(net: Net, family: int) -> None:
    """Streams pass the routers whole."""
    assert transfer(net.a, net.b, net.b.addresses[family], 2 << 20)
    assert transfer(net.b, net.a, net.a.addresses[family], 2 << 20)


def test_a_route_that_changes(net: Net) -> None:
    """A flow whose next hop has changed follows within a second, even if nobody tells the switch."""
    assert net.a.ping(net.b, count=2)
    net.r1.ip("address add 192.168.1.254/24 dev eth0")
    net.r1.ip("link add other type veth peer name elsewhere")
    try:
        net.h1.node.ip("route replace default via 192.168.1.254")
        net.h1.node.ip("neighbour replace 192.168.1.1 lladdr 02:00:00:00:00:66 dev eth0 nud permanent")
        net.a.wait(lambda: net.a.ping(net.b, timeout=0.1), timeout=3, what="the new route")
        assert net.a.ping(net.b, count=3)
    finally:
        net.h1.node.ip("neighbour delete 192.168.1.1 dev eth0")
        net.h1.node.ip("route replace default via 192.168.1.1")
        net.r1.ip("link delete other")
        net.r1.ip("address delete 192.168.1.254/24 dev eth0")


def test_without_a_route_nothing_leaves(net: Net) -> None:
    """A remote that cannot be reached is not reached, by either path, and the switch works again when it can be."""
    assert net.a.ping(net.b)
    net.h1.node.ip("route delete default")
    try:
        net.a.wait(lambda: not net.a.ping(net.b, timeout=0.1), timeout=3, what="the route to be missed")
    finally:
        net.h1.node.ip("route add default via 192.168.1.1")
    net.a.wait(lambda: net.a.ping(net.b, timeout=0.2), timeout=3, what="the route to be found")


def test_path_mtu(net: Net) -> None:
    """A VTEP never fragments: of what is larger than a hop of the path the sender is told, and nothing else is lost."""
    assert net.a.ping(net.b, size=1400, df=True)
    net.r1.ip("link set eth1 mtu 1400")
    try:
        assert not net.a.ping(net.b, size=1400, df=True, timeout=0.2)
        net.a.wait(lambda: "mtu 1350" in mtu_known(net), what="to be told")
        assert net.a.ping(net.b, size=1350 - 28, df=True)
    finally:
        net.r1.ip("link set eth1 mtu 1500")
        for node, other in ((net.h1.node, H2), (net.a, net.b.address)):
            node.ip("route flush cache")
            node.ip(f"route get {other}")  # what was flushed is gone when a route is next asked for
    net.a.wait(lambda: net.a.ping(net.b, size=1400, df=True, timeout=0.2), timeout=3, what="the larger MTU")


def mtu_known(net: Net) -> str:
    """Return the way from a to b as a sees it, after a packet that is too large for it."""
    net.a.ping(net.b, size=1400, df=True, timeout=0.1)
    return net.a.ip(f"route get {net.b.address}")
