# SPDX-License-Identifier: Apache-2.0
"""ARP and neighbour discovery that lie, in support/hostile.py's lab: behind port security they do not get out."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.hostile import Net, hostile
from tests.support.repeated import repeated
from tests.support.victims import Victims, storm
from tests.support.vteps import Switch
from vxnet.model import Source
from vxnet.packet import ethernet, ip, nd
from vxnet.packet.arp import REPLY, REQUEST, Arp
from vxnet.packet.mac import BROADCAST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Node

FRAMES = 20_000
A, B = (IPv4Address(f"10.0.0.{n}") for n in (1, 2))
B6, E6, ALL_NODES = map(IPv6Address, ("fd00::2", "fd00::5", "ff02::1"))


class Secured:
    """The lab, h1 without a daemon: what may leave a port, no host file says."""

    def __init__(self, net: Net, switch: Switch) -> None:
        self.net, self.h1 = net, switch

    def become(self, *, secured: bool) -> None:
        """Let only what belongs to them leave the ports of a and e; or anything."""
        e = (*own(self.net.e), Source(self.net.e.mac, f"{E6}/128"))
        sources = {"tap-a": own(self.net.a), "tap-e": e} if secured else {}
        ports = tuple(replace(port, sources=sources.get(port.device)) for port in self.net.one.ports)
        self.h1.become(replace(self.net.one, ports=ports))
        assert self.net.a.ping(self.net.b, timeout=3)

    def spoofed(self) -> int:
        """Return how many frames were refused."""
        return self.h1.overview().drops["spoofed"]

    def who_is_b(self) -> str:
        """Return the MAC that a takes for b's."""
        return self.net.a.ip(f"neighbour show {B} dev eth0").split("lladdr ")[1].split()[0]


def own(vm: Node) -> tuple[Source, ...]:
    """Return what a machine may send."""
    return tuple(Source(vm.mac, str(ip_network(address))) for address in vm.addresses)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Build it, h2 up."""
    with hostile(tmp_path_factory.mktemp("claims")) as net:
        net.h2.up(net.two)
        switch = Switch(net.h1.node, tmp_path_factory.mktemp("switch"))
        yield Secured(net, switch)
        switch.take_down()


def claims(net: Net) -> list[bytes]:
    """Return what e can say to be b: by ARP and by neighbour discovery, from its own MAC and from b's."""
    frames = []
    for mac in (net.e.mac, net.b.mac):
        for operation, dst in ((REPLY, net.a.mac), (REQUEST, BROADCAST), (REPLY, BROADCAST)):
            arp = Arp(operation=operation, sender_mac=net.e.mac, sender_ip=B, target_mac=net.a.mac, target_ip=A)
            frames.append(ethernet.Ethernet(dst=dst, src=mac, ethertype=ethernet.ARP, payload=arp.encode()).encode())
        said = nd.Advertisement(target=B6, mac=net.e.mac).encode(E6, ALL_NODES)
        packet = ip.IPv6(src=E6, dst=ALL_NODES, next_header=ip.ICMPV6, hop_limit=nd.HOP_LIMIT, payload=said)
        frames.append(
            ethernet.Ethernet(
                dst="33:33:00:00:00:01", src=mac, ethertype=ethernet.IPV6, payload=packet.encode()
            ).encode()
        )
    return frames


def test_claims_do_not_leave_a_secured_port(secured: Secured) -> None:
    """Of twenty thousand claims to be another none gets out; all are counted, nobody believes one, nothing is lost."""
    net = secured.net
    secured.become(secured=True)
    before = secured.spoofed()
    with Victims("ARP that claims to be another, port secured", net.a, net.b) as victims:
        storm(net.e, claims(net), FRAMES)
        victims.talk()
    assert victims.lost == 0
    assert secured.spoofed() - before == FRAMES
    assert secured.who_is_b() == net.b.mac


def test_the_same_claims_are_believed_where_ports_are_not(secured: Secured) -> None:
    """Without port security the very same frames make a take e for b: the refusal above is what stopped them."""
    net = secured.net
    secured.become(secured=False)
    with repeated(lambda: storm(net.e, claims(net)[:1], 1)):  # a kernel does not believe twice in a second
        net.a.wait(lambda: secured.who_is_b() == net.e.mac, what="a to believe it")
    net.a.ip("neighbour flush dev eth0")
