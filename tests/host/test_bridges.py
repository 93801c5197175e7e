# SPDX-License-Identifier: Apache-2.0
"""Bridges on real hosts: internal ports, the underlay through a bridge, tunnels that come, change and go.

    10.0.0.1/24                                                           10.0.0.2/24
       br1 --[ br1 ]-- vx1 ~~ br0 --[ br0 ]-- eth0 -------- eth0 --[ br0 ]-- br0 ~~ vx1 --[ br1 ]-- br1
                     192.168.146.131                            192.168.146.136

Frame by frame, what a bridge does is held to the reference switch in test_property_bridges.py.
"""

from __future__ import annotations

import json
import socket
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from msgspec.structs import replace

from tests.support.labs import unreachable
from tests.support.vteps import Switch, transfer
from vxnet.datapath import attach
from vxnet.datapath.internal import inner_name
from vxnet.datapath.kernel import UNDERLAY
from vxnet.errors import HostError
from vxnet.lab import Lab
from vxnet.model import Bridge, HostState, Port, Tunnel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node

H1, H2 = IPv4Address("192.168.146.131"), IPv4Address("192.168.146.136")
MEGABYTE = 1 << 20


class Net(NamedTuple):
    """The two hosts, their addresses not on ``eth0``."""

    h1: Switch
    h2: Switch

    def each(self) -> tuple[tuple[Switch, IPv4Address, IPv4Address], ...]:
        """Return each host with its own address and the other's."""
        return (self.h1, H1, H2), (self.h2, H2, H1)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    """Two hosts, joined by a cable; nothing is left of the switches afterwards."""
    with Lab.unique("vxbr") as lab:
        h1, h2 = lab.host("h1", f"{H1}/24"), lab.host("h2", f"{H2}/24")
        lab.link(h1, h2)
        for host in (h1, h2):
            host.ip("address", "flush", "dev", "eth0")
        switches = Net(Switch(h1, tmp_path), Switch(h2, tmp_path))
        yield switches
        for switch in switches:
            switch.take_down()
            assert switch.remains() == []


def state(remote: IPv4Address | None = None, **tunnel: Any) -> HostState:
    """Return the state drawn above, with the tunnel if there is a remote."""
    vx1 = Tunnel(name="vx1", bridge="br1", vni=7, vni_out=7, remote=remote)
    return HostState(
        bridges=(Bridge(name="br0"), Bridge(name="br1")),
        tunnels=(replace(vx1, **tunnel),) if remote else (),
        ports=(
            Port(device="br0", segment="br0", internal=True),
            Port(device="eth0", segment="br0"),
            Port(device="br1", segment="br1", internal=True),
        ),
    )


def settle(net: Net) -> None:
    """Bring both hosts to the state without tunnels, and give the bridges their addresses."""
    for switch, own, _ in net.each():
        switch.become(state())
        switch.node.ip("address", "add", f"{own}/24", "dev", "br0")
        switch.node.ip("address", "add", f"10.0.0.{1 if own == H1 else 2}/24", "dev", "br1")
        for device in ("br0", "br1"):
            switch.node.ip("link", "set", device, "up")
        # Room for the outer headers.
        switch.node.ip("link", "set", "br1", "mtu", "1450")


def join(net: Net, **tunnel: Any) -> None:
    """Bring up the tunnel."""
    for switch, _, other in net.each():
        switch.become(state(other, **tunnel))


def link(node: Node, device: str) -> dict[str, Any]:
    """Return what `ip link show` says of a device."""
    return dict(json.loads(node.ip("-j", "-d", "link", "show", device))[0])


def programs(node: Node, device: str) -> list[str]:
    """Return the programs at a device's ingress."""
    with node.enter():
        return [found.program.name for found in attach.programs(socket.if_nametoindex(device))]


def test_the_host_itself_through_a_bridge(net: Net) -> None:
    """The host's address lies on the bridge, its network card is a port: hosts reach each other, tenants do not yet."""
    settle(net)
    assert net.h1.node.ping(H2)
    assert unreachable(net.h1.node, "10.0.0.2", 0.2)


def test_a_tunnel_through_a_bridge(net: Net) -> None:
    """VXLAN leaves and arrives through the bridge with the network card, and every byte of a stream with it."""
    settle(net)
    join(net)
    assert net.h1.node.ping("10.0.0.2", count=3)
    assert transfer(net.h1.node, net.h2.node, "10.0.0.2", 4 * MEGABYTE)
    assert transfer(net.h2.node, net.h1.node, "10.0.0.1", 4 * MEGABYTE)


def test_the_fast_path_is_taken(net: Net) -> None:
    """Known unicast leaves the kernel's VXLAN device alone, in both directions."""
    settle(net)
    join(net)
    assert net.h1.node.ping("10.0.0.2", count=3)
    before = [switch.packets("vxnet4789") for switch in net]
    assert net.h1.node.ping("10.0.0.2", count=10)
    assert [switch.packets("vxnet4789") for switch in net] == before


@pytest.mark.parametrize("field", [{"csum": True}, {"ttl": 0}, {"tos": None}, {"df": False}, {"dstport": 8472}])
def test_header_options(net: Net, field: dict[str, Any], tmp_path: Path) -> None:
    """Every option of the outer header is on the wire as it was asked for."""
    settle(net)
    join(net, **field)
    with net.h1.node.capture("eth0", tmp_path / "wire.pcapng", matching="udp") as capture:
        assert net.h1.node.ping("10.0.0.2", count=3)
    names = ("udp.checksum", "ip.ttl", "ip.dsfield.dscp", "ip.flags.df", "udp.dstport")
    rows = capture.fields(*names, matching="vxlan && icmp", dstport=field.get("dstport", 4789))
    assert rows
    for checksum, ttl, dscp, df, dstport in ([column.split(",")[0] for column in row] for row in rows):
        assert (int(checksum, 16) != 0) is field.get("csum", False)
        assert (ttl, dscp) == ("64", "0")
        assert (df in {"1", "True"}) is field.get("df", True)
        assert dstport == str(field.get("dstport", 4789))


def test_settings_change_in_place(net: Net) -> None:
    """VLANs, MAC and MTU of an internal port change under its addresses and routes, which stay."""
    settle(net)
    before = net.h1.node.ip("-o", "address", "show", "dev", "br1")
    index = link(net.h1.node, "br1")["ifindex"]
    wanted = state()
    port = replace(wanted.ports[2], mac="02:00:00:00:12:34", mtu=1300)
    net.h1.become(replace(wanted, ports=(*wanted.ports[:2], port)))
    shown = link(net.h1.node, "br1")
    assert (shown["address"], shown["mtu"], shown["ifindex"]) == ("02:00:00:00:12:34", 1300, index)
    after = net.h1.node.ip("-o", "address", "show", "dev", "br1")
    assert after.split("scope")[0] == before.split("scope")[0]


def test_a_tunnel_that_changes_keeps_the_others_going(net: Net) -> None:
    """A second tunnel comes, changes its VNI and its UDP port, and goes; the first one's counters go on."""
    settle(net)
    join(net)
    assert net.h1.node.ping("10.0.0.2", count=2)
    sent = net.h1.traffic()["vx1"].tx_packets
    first = state(H2)
    other = Tunnel(name="vx2", bridge="br0", vni=9, vni_out=9, remote=IPv4Address("192.168.146.99"))
    for second in ((other,), (replace(other, vni=10),), (replace(other, vni=10, dstport=8472),), ()):
        net.h1.become(replace(first, tunnels=(*first.tunnels, *second)))
        assert net.h1.node.ping("10.0.0.2")
    assert net.h1.traffic()["vx1"].tx_packets >= sent + 4


def test_two_tunnels_for_the_same_packets(net: Net) -> None:
    """The second is refused, by name; with somebody to tell, the rest is made all the same."""
    settle(net)
    join(net)
    wanted = state(H2)
    twin = replace(wanted.tunnels[0], name="twin", bridge="br0")
    bad = replace(wanted, bridges=(*wanted.bridges, Bridge(name="br2")), tunnels=(*wanted.tunnels, twin))
    with pytest.raises(HostError, match="tunnel twin: takes the same packets as vx1"):
        net.h1.become(bad)
    failed: dict[str, str] = {}
    net.h1.become(bad, failed=failed)
    assert failed == {"twin": "tunnel twin: takes the same packets as vx1"}
    assert net.h1.node.ping("10.0.0.2")
    net.h1.become(wanted)


def test_the_program_follows_the_route(net: Net) -> None:
    """The device that leads to the remote has the program, and another one as soon as the route leads there."""
    settle(net)
    join(net)
    assert programs(net.h1.node, "br0") == [UNDERLAY]
    assert programs(net.h1.node, "br1") == []
    net.h1.node.ip("route", "add", f"{H2}/32", "dev", "br1")
    net.h1.touch()
    assert (programs(net.h1.node, "br0"), programs(net.h1.node, "br1")) == ([], [UNDERLAY])
    net.h1.node.ip("route", "del", f"{H2}/32", "dev", "br1")
    net.h1.touch()
    assert (programs(net.h1.node, "br0"), programs(net.h1.node, "br1")) == ([UNDERLAY], [])
    net.h1.node.ip("tuntap", "add", "tun0", "mode", "tun")
    net.h1.node.ip("link", "set", "tun0", "up")
    net.h1.node.ip("route", "add", f"{H2}/32", "dev", "tun0")
    net.h1.touch()
    assert (programs(net.h1.node, "br0"), programs(net.h1.node, "tun0")) == ([], [])
    net.h1.node.ip("link", "del", "tun0")
    net.h1.node.ip("route", "add", "blackhole", f"{H2}/32")
    net.h1.touch()
    assert programs(net.h1.node, "br0") == []
    net.h1.node.ip("route", "del", "blackhole", f"{H2}/32")
    net.h1.touch()
    assert programs(net.h1.node, "br0") == [UNDERLAY]


def test_an_internal_port_in_another_namespace(net: Net) -> None:
    """It is the user's device: moved to a container it goes on, and nobody wants it back until it is deleted there."""
    settle(net)
    join(net)
    net.h1.node.ip("link", "set", "br1", "netns", net.h2.node.namespace, "name", "moved")
    container = net.h2.node
    container.ip("link", "set", "moved", "up")
    container.ip("link", "del", "moved")
    net.h1.become(state(H2))
    assert link(net.h1.node, "br1")


def test_a_device_of_that_name_is_there_already(net: Net) -> None:
    """An internal port does not take over somebody else's device."""
    net.h1.node.ip("link", "add", "br1", "type", "veth", "peer", "name", "other")
    with pytest.raises(HostError, match="device br1 exists already and is none of vxnet's"):
        net.h1.become(state())
    net.h1.node.ip("link", "del", "br1")


def test_deleted_by_hand(net: Net) -> None:
    """Whatever of ours somebody deletes is made anew: the VXLAN device, an internal port."""
    settle(net)
    join(net)
    for device in ("vxnet4789", "br1", inner_name("br0")):
        net.h1.node.ip("link", "del", device)
        assert net.h1.changes(state(H2))
        net.h1.become(state(H2))
        assert link(net.h1.node, device)
