# SPDX-License-Identifier: Apache-2.0
"""A segment over an IP multicast group, with three VTEPs on one Ethernet: the kernel joins, floods and leaves.

a --tap-a-- [ h1 ] eth0 ---+
b --tap-b-- [ h2 ] eth0 ---+--- switch
c --tap-c-- [ h3 ] eth0 ---+
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.labs import unreachable
from tests.support.vteps import Switch
from vxnet.lab import Lab
from vxnet.model import Segment
from vxnet.packet.ip import IPv4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node

GROUP, OTHER_GROUP = IPv4Address("239.1.1.1"), IPv4Address("239.1.1.2")
BLUE = Segment(name="blue", vni=10, group=GROUP)
GREEN = Segment(name="green", vni=20, group=GROUP)


class Net(NamedTuple):
    """The lab drawn above."""

    switches: tuple[Switch, Switch, Switch]
    vms: tuple[Node, Node, Node]


@pytest.fixture(scope="module")
def lab_net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """The lab, for all tests of this file."""
    folder = tmp_path_factory.mktemp("group")
    with Lab.unique("vxgrp") as lab:
        hosts = [lab.host(f"h{n}", f"192.168.146.{130 + n}/24") for n in (1, 2, 3)]
        lab.switch("s", *hosts)
        a, b, c = (
            lab.vm(name, on=h, address=f"10.0.0.{n}/24") for name, h, n in zip("abc", hosts, (1, 2, 3), strict=True)
        )
        one, two, three = (Switch(host, folder) for host in hosts)
        yield Net((one, two, three), (a, b, c))


@pytest.fixture
def net(lab_net: Net) -> Iterator[Net]:
    """The lab with all switches down, before and after; then nothing is left, memberships least of all."""
    yield lab_net
    for switch in lab_net.switches:
        switch.take_down()
        assert switch.remains() == []
    for vm in lab_net.vms:
        vm.ip("neighbour flush dev eth0")


def bring(net: Net, *segments: Segment) -> None:
    """Bring all hosts up, each with its VM in the first segment."""
    for switch, vm in zip(net.switches, net.vms, strict=True):
        switch.bring(*segments, ports={vm.device: segments[0].name})


def test_flood_and_learn(net: Net, tmp_path: Path) -> None:
    """One packet to the group asks everybody; the answer, and all that follows, goes from VTEP to VTEP."""
    a, b, _ = net.vms
    bring(net, BLUE)
    h1 = net.switches[0].node
    with h1.capture("eth0", tmp_path / "group.pcapng", matching="udp port 4789") as capture:
        assert a.ping(b)
    seen = capture.fields("ip.dst", "eth.dst", "arp.opcode", "icmp.type", "ip.ttl")
    outer = [(packet[0].split(",")[0], packet[1].split(",")[0], *packet[2:4]) for packet in seen]
    h2 = net.switches[1].node
    assert outer == [
        (str(GROUP), "01:00:5e:01:01:01", "1", ""),
        ("192.168.146.131", h1.mac, "2", ""),
        ("192.168.146.132", h2.mac, "", "8"),
        ("192.168.146.131", h1.mac, "", "0"),
    ]


def test_the_third_learns_from_what_it_drops(net: Net) -> None:
    """A VTEP without a port in the segment forwards nothing, and yet knows who asked."""
    a, b, _ = net.vms
    for switch, vm in zip(net.switches[:2], net.vms, strict=False):
        switch.bring(BLUE, ports={vm.device: "blue"})
    third = net.switches[2]
    third.bring(BLUE)
    assert a.ping(b)
    assert {mac: row.remote for mac, row in third.fdb().items()} == {a.mac: IPv4Address("192.168.146.131")}
    assert third.overview().drops["no-destination"] == 1


def test_igmp_on_the_wire(net: Net) -> None:
    """Joining is told to the network (IGMPv3, RFC 3376), and so is leaving; in between the kernel is a member."""
    switch, other, _ = net.switches
    with other.node.enter():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        wire.bind(("eth0", ETH_P_IP))
    with wire:
        wire.settimeout(10)
        switch.bring(BLUE)
        assert switch.groups() == {GROUP}
        wait_for_record(wire, CHANGE_TO_EXCLUDE)
        switch.take_down()
        assert switch.groups() == set()
        wait_for_record(wire, CHANGE_TO_INCLUDE)


ETH_P_IP = 0x0800
CHANGE_TO_INCLUDE, CHANGE_TO_EXCLUDE = 3, 4
"""Record types of a report (RFC 3376, section 4.2.12): leaving a group, and joining it, whatever the source."""


def wait_for_record(wire: socket.socket, kind: int) -> None:
    """Read packets until one reports this change of GROUP; TimeoutError if there is none."""
    while True:
        packet = IPv4.parse(wire.recv(2048))
        # type 0x22, reserved, checksum 2, reserved 2, number of records 2; record: type, reserved, sources 2, group 4
        if packet.protocol == IGMP and packet.payload[0] == 0x22 and packet.payload[8] == kind:
            assert packet.payload[12:16] == GROUP.packed
            return


IGMP = 2


def test_segments_share_a_group(net: Net) -> None:
    """Two segments in one group: one membership, each its own frames, and the group is kept for who is left."""
    a, b, c = net.vms
    for switch, vm, segment in zip(net.switches, net.vms, ("blue", "blue", "green"), strict=True):
        switch.bring(BLUE, GREEN, ports={vm.device: segment})
    assert a.ping(b)
    assert unreachable(a, c)
    first = net.switches[0]
    first.bring(GREEN, ports={a.device: "green"})
    assert first.groups() == {GROUP}
    assert a.ping(c)
    first.bring(BLUE, ports={a.device: "blue"})
    assert first.groups() == {GROUP}
    assert a.ping(b)


def test_another_group(net: Net) -> None:
    """A segment that changes its group leaves the old one, and meets only who has changed as well."""
    a, b, c = net.vms
    bring(net, BLUE)
    assert a.ping(b)
    moved = Segment(name="blue", vni=10, group=OTHER_GROUP)
    for switch, vm in zip(net.switches[:2], net.vms, strict=False):
        switch.bring(moved, ports={vm.device: "blue"})
        assert switch.groups() == {OTHER_GROUP}
        vm.ip("neighbour flush dev eth0")
    c.ip("neighbour flush dev eth0")
    assert a.ping(b)
    assert unreachable(c, b)


def test_many_groups(net: Net) -> None:
    """As many groups as the host's kernel allows for one socket, which an administrator may raise."""
    segments = [Segment(name=f"s{n}", vni=100 + n, group=IPv4Address("239.2.0.0") + n) for n in range(30)]
    for switch, vm in zip(net.switches[:2], net.vms, strict=False):
        switch.node.run("sysctl -qw net.ipv4.igmp_max_memberships=30")
        switch.bring(*segments, ports={vm.device: "s29"})
        assert switch.groups() == {segment.group for segment in segments}
    assert net.vms[0].ping(net.vms[1])
