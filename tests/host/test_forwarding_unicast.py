# SPDX-License-Identifier: Apache-2.0
"""Segments with remotes, between real VMs: several ports, overlapping tenants, VNIs, UDP ports, ageing, static entries.

a --tap-a-- [ h1 ] eth0 ------------- eth0 [ h2 ] --tap-b-- b
c --tap-c----'                              '------tap-d--- d
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.labs import H1, H2, unreachable
from tests.support.nets import Net, net_in
from vxnet.model import FdbEntry, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.vteps import Switch
    from vxnet.lab import Node
    from vxnet.model import IPAddress

SHARED = "02:00:00:00:00:99"


@pytest.fixture(scope="module")
def lab_net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """The lab, for all tests of this file."""
    with net_in(tmp_path_factory.mktemp("unicast"), "vxuni") as net:
        yield net


@pytest.fixture
def net(lab_net: Net) -> Iterator[Net]:
    """The lab with both switches down, before and after."""
    yield lab_net
    for switch in (lab_net.h1, lab_net.h2):
        switch.take_down()
        assert switch.remains() == []
    for vm in lab_net[2:]:
        vm.ip("neighbour flush dev eth0")


def bring(net: Net, *segments: Segment, ports: str = "abcd", **more: object) -> None:
    """Bring both hosts up with the VMs of ``ports`` in the first segment, each host the other's remote."""
    there = {port: f"tap-{port}" for port in ports}
    for switch, mine in ((net.h1, "ac"), (net.h2, "bd")):
        attached = {device: segments[0].name for port, device in there.items() if port in mine}
        switch.bring(*segments_for(switch, segments), ports=attached, **more)


def segments_for(switch: Switch, segments: tuple[Segment, ...]) -> list[Segment]:
    """Return the segments with the other host as remote."""
    other = H2 if switch.node.name == "h1" else H1
    return [replace(segment, remotes=(other,)) for segment in segments]


def place(switch: Switch, vm: Node, segment: str = "blue") -> str | IPAddress | None:
    """Return where a host has a VM's MAC."""
    row = switch.fdb(segment).get(vm.mac)
    return (row.port or row.remote) if row else None


def test_all_ports_of_a_segment(net: Net) -> None:
    """Two ports on each of two hosts: everyone reaches everyone, and both hosts know where everyone is."""
    bring(net, Segment(name="blue", vni=5001))
    vms = (net.a, net.b, net.c, net.d)
    for one in vms:
        for other in vms:
            assert one.ping(other)
    assert [place(net.h1, vm) for vm in vms] == ["tap-a", H2, "tap-c", H2]
    assert [place(net.h2, vm) for vm in vms] == [H1, "tap-b", H1, "tap-d"]


def test_nothing_before_and_nothing_after(net: Net) -> None:
    """The switch alone joins the VMs, and the first ping after it is up is answered."""
    assert unreachable(net.a, net.b)
    bring(net, Segment(name="blue", vni=5001))
    assert net.a.ping(net.b)
    net.h1.take_down()
    assert unreachable(net.a, net.b)
    assert net.h2.node.ping(net.h1.node)


@pytest.mark.parametrize("vni", [1, 2**24 - 1])
@pytest.mark.parametrize("dstport", [4789, 8472])
def test_any_vni_and_udp_port(net: Net, tmp_path: Path, vni: int, dstport: int) -> None:
    """The first and the last VNI, on the port of RFC 7348 and on another: so it is on the wire, flooded or known."""
    bring(net, Segment(name="blue", vni=vni), dstport=dstport)
    with net.h2.node.capture("eth0", tmp_path / "vni.pcapng", matching=f"udp dst port {dstport}") as capture:
        assert net.a.ping(net.b, count=2)
    seen = capture.fields("vxlan.vni", "udp.dstport", "arp.opcode", "icmp.type", dstport=dstport)
    assert {packet[:2] for packet in seen} == {(str(vni), str(dstport))}
    # Who has b? I. Echo, and back, twice.
    assert [packet[2:] for packet in seen] == [("1", ""), ("2", ""), ("", "8"), ("", "0"), ("", "8"), ("", "0")]


def test_tenants_may_overlap(net: Net) -> None:
    """The same MAC and the same IP address in two segments: each tenant reaches its own machine and no other."""
    macs = {vm: vm.mac for vm in (net.b, net.d)}
    try:
        for vm in macs:
            vm.ip(f"link set eth0 address {SHARED}")
            vm.ip("address add 10.0.0.9/24 dev eth0")
        blue, green = Segment(name="blue", vni=10, remotes=(H2,)), Segment(name="green", vni=20, remotes=(H2,))
        net.h1.bring(blue, green, ports={"tap-a": "blue", "tap-c": "green"})
        blue, green = Segment(name="blue", vni=10, remotes=(H1,)), Segment(name="green", vni=20, remotes=(H1,))
        net.h2.bring(blue, green, ports={"tap-b": "blue", "tap-d": "green"})
        before = pings_received(net.b), pings_received(net.d)
        assert net.a.ping("10.0.0.9", count=3)
        assert (pings_received(net.b), pings_received(net.d)) == (before[0] + 3, before[1])
        assert net.c.ping("10.0.0.9", count=2)
        assert (pings_received(net.b), pings_received(net.d)) == (before[0] + 3, before[1] + 2)
        assert net.h2.fdb("blue")[SHARED].port == "tap-b"
        assert net.h2.fdb("green")[SHARED].port == "tap-d"
        assert unreachable(net.a, net.c)
    finally:
        for vm, mac in macs.items():
            vm.ip("address delete 10.0.0.9/24 dev eth0")
            vm.ip(f"link set eth0 address {mac}")


def pings_received(vm: Node) -> int:
    """Return how many echo requests the VM's kernel has got."""
    names, values = (line.split() for line in vm.run("grep Icmp: /proc/net/snmp").stdout.splitlines())
    return int(values[names.index("InEchos")])


def test_a_machine_moves(net: Net) -> None:
    """A MAC that speaks from another host is found there at once, though frames to it were flowing elsewhere."""
    bring(net, Segment(name="blue", vni=5001))
    assert net.a.ping(net.b, count=3)
    mac = net.b.mac
    net.b.ip("link set eth0 down")
    net.c.ip("address add 10.0.0.2/24 dev eth0")
    was = net.c.mac
    net.c.ip(f"link set eth0 address {mac}")
    try:
        assert net.c.ping(net.d)
        assert place(net.h1, net.c) == "tap-c"
        assert place(net.h2, net.c) == H1
        assert net.a.ping("10.0.0.2")
        assert net.d.ping("10.0.0.2")
    finally:
        net.c.ip(f"link set eth0 address {was}")
        net.c.ip("address delete 10.0.0.2/24 dev eth0")
        net.b.ip("link set eth0 up")


def test_ageing(net: Net) -> None:
    """Who has been silent for the segment's ageing is forgotten: frames to it are flooded again, and it is found."""
    bring(net, Segment(name="blue", vni=5001, ageing=1))
    assert net.a.ping(net.b)
    assert place(net.h1, net.b) == H2
    net.h1.node.wait(lambda: place(net.h1, net.b) is None, what="b to be forgotten")
    before = received(net.c)
    assert net.a.ping(net.b)
    assert received(net.c) == before + 1, "the first echo request was not flooded"
    assert place(net.h1, net.b) == H2


def test_who_speaks_does_not_age(net: Net) -> None:
    """Frames on the fast path keep their source in the FDB: nobody who speaks is flooded to."""
    bring(net, Segment(name="blue", vni=5001, ageing=2))
    assert net.a.ping(net.b)
    before = received(net.c)
    assert net.a.ping(net.b, count=30, interval=0.1)
    assert received(net.c) - before <= 2, "c has got what was for others"


def received(vm: Node) -> int:
    """Return how many frames the VM has got."""
    line = vm.run("grep eth0: /proc/net/dev").stdout
    return int(line.split(":")[1].split()[1])


def test_static_entries_without_learning_or_flooding(net: Net) -> None:
    """Where nothing is learned and nothing flooded, static entries alone carry unicast, and nothing else passes."""
    for switch, mine, other, remote in ((net.h1, net.a, net.b, H2), (net.h2, net.b, net.a, H1)):
        entries = (
            FdbEntry(segment="blue", mac=mine.mac, port=mine.device),
            FdbEntry(segment="blue", mac=other.mac, remote=remote),
        )
        switch.bring(Segment(name="blue", vni=5001, learning=False), ports={mine.device: "blue"}, fdb=entries)
    assert unreachable(net.a, net.b)  # ARP asks everybody
    for vm, other in ((net.a, net.b), (net.b, net.a)):
        vm.ip(f"neighbour replace {other.address} lladdr {other.mac} dev eth0 nud permanent")
    assert net.a.ping(net.b, count=3)
    assert {row.state for row in net.h1.fdb().values()} == {"static"}
    for vm, other in ((net.a, net.b), (net.b, net.a)):
        vm.ip(f"neighbour delete {other.address} dev eth0")


def test_static_entry_is_not_learned_over(net: Net) -> None:
    """Rule 2: what a machine says of itself does not move a static entry."""
    bring(net, Segment(name="blue", vni=5001), fdb=())
    wrong = (FdbEntry(segment="blue", mac=net.b.mac, remote=IPv4Address("192.168.146.99")),)
    net.h1.bring(*segments_for(net.h1, (Segment(name="blue", vni=5001),)), ports={"tap-a": "blue"}, fdb=wrong)
    assert unreachable(net.a, net.b)
    assert net.h1.fdb()[net.b.mac].state == "static"
    net.h1.bring(*segments_for(net.h1, (Segment(name="blue", vni=5001),)), ports={"tap-a": "blue"})
    assert net.a.ping(net.b)
    assert net.h1.fdb()[net.b.mac].state == "learned"


def test_split_horizon(net: Net, tmp_path: Path) -> None:
    """Rule 3: a packet from the underlay never leaves by the underlay, though two remotes are flooded to."""
    third = IPv4Address("192.168.146.137")
    net.h1.bring(Segment(name="blue", vni=5001, remotes=(H2, third)), ports={"tap-a": "blue"})
    net.h2.bring(Segment(name="blue", vni=5001, remotes=(H1, third)), ports={"tap-b": "blue"})
    with net.h2.node.capture("eth0", tmp_path / "split.pcapng", matching="udp port 4789") as capture:
        assert net.a.ping(net.b)
    sent = capture.fields("ip.src", matching="arp.opcode == 1")
    assert sent == [(str(H1),)]
