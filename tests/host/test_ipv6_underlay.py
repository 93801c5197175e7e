# SPDX-License-Identifier: Apache-2.0
"""IPv6 between the hosts, and both families on one host at once.

a --tap-a-- [ h1 IPv4 + IPv6 ] eth0 ---+
b --tap-b-- [ h2 IPv4        ] eth0 ---+--- switch --- [ router r ] --- [ h4 IPv6 ] --tap-d-- d
c --tap-c-- [ h3        IPv6 ] eth0 ---+
"""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support.kernels import unwraps_ipv6
from tests.support.labs import unreachable
from tests.support.running import Host
from tests.support.vteps import transfer
from vxnet.lab import Lab
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep
from vxnet.packet import vxlan
from vxnet.packet.ethernet import Ethernet
from vxnet.packet.flow import source_port
from vxnet.packet.ip import UDP, IPv6
from vxnet.packet.udp import Udp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node
    from vxnet.model import IPAddress

V4 = {n: IPv4Address(f"192.168.146.13{n}") for n in (1, 2)}
V6 = {n: IPv6Address(f"fd00:92::13{n}") for n in (1, 3)} | {4: IPv6Address("fd00:93::134")}
GROUP6 = IPv6Address("ff05::1:1")
MTU = 1500 - 70
OVERLAY = "vxnet4789"
MEGABYTE = 1 << 20


def state(
    number: int, local: IPAddress, *remotes: IPAddress, local6: IPv6Address | None = None, **more: Any
) -> HostState:
    """Return the state of a host with its VM in blue; ``more`` is the segment's."""
    return HostState(
        vtep=Vtep(local=local, local6=local6),
        segments=(Segment(name="blue", vni=10, remotes=remotes, **more),),
        ports=(Port(device=f"tap-{'abcd'[number - 1]}", segment="blue"),),
    )


class Net(NamedTuple):
    """The lab drawn above, its hosts and VMs by their numbers."""

    hosts: dict[int, Host]
    vms: dict[int, Node]

    def up(self) -> None:
        """Bring all up, in one segment with each other: h1 reaches everybody, the others those of their family."""
        for number, its in STATES.items():
            if not self.hosts[number].pid or self.hosts[number].changes(its):
                self.hosts[number].up(its)


STATES = {
    1: state(1, V4[1], V4[2], V6[3], V6[4], local6=V6[1]),
    2: state(2, V4[2], V4[1]),
    3: state(3, V6[3], V6[1], V6[4]),
    4: state(4, V6[4], V6[1], V6[3]),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build the lab, with nothing up."""
    folder = tmp_path_factory.mktemp("ipv6")
    with Lab.unique("vxsix") as lab:
        nodes = {
            1: lab.host("h1", [f"{V4[1]}/24", f"{V6[1]}/64"], gateway="fd00:92::1"),
            2: lab.host("h2", [f"{V4[2]}/24", "fd00:92::132/64"]),  # the second for the host alone
            3: lab.host("h3", f"{V6[3]}/64", gateway="fd00:92::1"),
            4: lab.host("h4", f"{V6[4]}/64", gateway="fd00:93::1"),
        }
        router = lab.router("r", ["fd00:92::1/64", "fd00:93::1/64"])
        lab.switch("s", nodes[1], nodes[2], nodes[3], router)
        lab.link(router, nodes[4])
        vms = {
            n: lab.vm("abcd"[n - 1], on=node, address=[f"10.0.0.{n}/24", f"fd00::{n}/64"], mtu=MTU)
            for n, node in nodes.items()
        }
        net = Net({n: Host(node, folder) for n, node in nodes.items()}, vms)
        yield net
        for host in net.hosts.values():
            host.down()
            assert host.remains() == []


@pytest.fixture
def net(built: Net) -> Net:
    """Return the lab with all up, and no VM knowing another."""
    built.up()
    for vm in built.vms.values():
        vm.ip("neighbour flush dev eth0")
    return built


def test_both_families_at_once(net: Net) -> None:
    """One segment reaches over both: BUM goes to each remote, and what is learned is known by either address."""
    for other in (2, 3, 4):
        assert net.vms[1].ping(net.vms[other])
        assert net.vms[1].ping(net.vms[other].addresses[1])
    assert net.vms[3].ping(net.vms[4])
    remotes = {mac: row.remote for mac, row in net.hosts[1].fdb("blue").items() if row.remote}
    assert remotes == {net.vms[2].mac: V4[2], net.vms[3].mac: V6[3], net.vms[4].mac: V6[4]}
    # A VTEP carries nothing on from one family to the other: h2 and h3 have none in common.
    assert unreachable(net.vms[2], net.vms[3])
    shown = json.loads(net.hosts[1].vxnet("show", "--json").stdout)
    assert (shown["local"], shown["local6"]) == (str(V4[1]), str(V6[1]))
    assert "mtu for tenants: 1430\n" in net.hosts[1].vxnet("show").stdout
    assert [remote["address"] for remote in shown["segments"][0]["remotes"]] == list(map(str, (V4[2], V6[3], V6[4])))


@pytest.mark.parametrize("other", [3, 4], ids=["neighbour", "routed"])
@pytest.mark.parametrize("family", [pytest.param(0, id="ipv4", marks=unwraps_ipv6), pytest.param(1, id="ipv6")])
def test_the_fast_path_is_taken(net: Net, tmp_path: Path, other: int, family: int) -> None:
    """Known unicast passes the VXLAN device by, through a router too, and each byte of the outer packet is right."""
    assert net.vms[1].ping(net.vms[other].addresses[family])
    h1, h2 = net.hosts[1].node, net.hosts[other].node
    slow = [node.capture(OVERLAY, tmp_path / f"{node.name}.pcap") for node in (h1, h2)]
    with h1.capture("eth0", tmp_path / "outer.pcap", matching="udp port 4789") as capture:
        assert net.vms[1].ping(net.vms[other].addresses[family], count=50, size=100)
    for each in slow:
        each.stop()
    packets = [Ethernet.parse(packet) for packet in packets_of(capture.file)]
    echoes = [outer for outer in packets if len(outer.payload) == 40 + 16 + 14 + (20, 40)[family] + 8 + 100]
    assert len(echoes) == 100
    exact = 0
    for outer in echoes:
        header = IPv6.parse(outer.payload)
        datagram = Udp.parse(header.payload)
        assert (header.next_header, header.traffic_class, datagram.checksum) == (UDP, 0, 0)
        assert (header.hop_limit, datagram.dst_port) in {(64, 4789), (63, 4789)}
        inside = vxlan.Vxlan.parse(datagram.payload).payload
        exact += header.src == V6[1] and datagram.src_port == source_port(inside)
        if header.src == V6[1] and datagram.src_port == source_port(inside):
            assert outer.payload == vxlan.encapsulate(inside, vni=10, src=V6[1], dst=V6[other])
    # Every 15 seconds one frame of a flow keeps the next hop alive by going the other way.
    assert exact >= 48


def packets_of(file: Path) -> Iterator[bytes]:
    """Return the packets of a capture, in pcap's own form."""
    data, at = file.read_bytes(), 24
    while at < len(data):
        length = int.from_bytes(data[at + 8 : at + 12], "little")
        yield data[at + 16 : at + 16 + length]
        at += 16 + length


@pytest.mark.parametrize("other", [2, 3, 4], ids=["over-ipv4", "over-ipv6", "over-ipv6-routed"])
@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_streams_arrive_whole(net: Net, other: int, family: int) -> None:
    """Megabytes of TCP with large segments arrive as they were sent, both ways."""
    one, two = net.vms[1], net.vms[other]
    assert transfer(one, two, two.addresses[family], 8 * MEGABYTE)
    assert transfer(two, one, one.addresses[family], 8 * MEGABYTE)


def test_mtu_is_that_of_the_family(net: Net) -> None:
    """IPv6 takes 70 bytes and IPv4 50: over either the largest packet that fits arrives, and one byte more does not."""
    one, overhead = net.vms[1], {2: 50, 3: 70}
    set_tenant_mtu(net, 1500)
    try:
        for other, bytes_ in overhead.items():
            assert one.ping(net.vms[other], size=1500 - bytes_ - 28)
            before = net.hosts[1].overview().drops["too-big"]
            assert not one.ping(net.vms[other], size=1500 - bytes_ - 27, df=True, timeout=0.2)
            assert net.hosts[1].overview().drops["too-big"] == before + 1
    finally:
        set_tenant_mtu(net, MTU)


def set_tenant_mtu(net: Net, mtu: int) -> None:
    """Let VMs and their ports carry so much."""
    for number, vm in net.vms.items():
        vm.ip(f"link set eth0 mtu {mtu}")
        net.hosts[number].node.ip(f"link set {vm.device} mtu {mtu}")


def test_groups_are_joined_by_mld(net: Net) -> None:
    """A group of IPv6: the kernel joins and leaves, one packet reaches all, and the answer goes from VTEP to VTEP."""
    for number, local in ((1, V4[1]), (3, V6[3])):
        local6 = V6[1] if number == 1 else None
        net.hosts[number].up(state(number, local, local6=local6, group=GROUP6))
    assert all(str(GROUP6) in groups(net.hosts[number]) for number in (1, 3))
    assert net.vms[1].ping(net.vms[3])
    assert net.hosts[3].fdb("blue")[net.vms[1].mac].remote == V6[1]
    net.hosts[3].down()
    assert str(GROUP6) not in groups(net.hosts[3])
    assert str(GROUP6) in groups(net.hosts[1])


def groups(host: Host) -> set[str]:
    """Return the IPv6 groups that a host is in on its underlay device."""
    rows = json.loads(host.node.ip("-6", "-j", "maddress", "show", "dev", "eth0"))
    return {group["address"] for row in rows for group in row["maddr"]}


def test_static_entries_of_both_families(net: Net) -> None:
    """Where nothing is flooded or learned, static entries alone lead to remotes of either family."""
    macs = {n: vm.mac for n, vm in net.vms.items()}
    one = HostState(
        vtep=Vtep(local=V4[1], local6=V6[1]),
        segments=(Segment(name="blue", vni=10, learning=False),),
        ports=(Port(device="tap-a", segment="blue"),),
        fdb=(
            FdbEntry(segment="blue", mac=macs[2], remote=V4[2]),
            FdbEntry(segment="blue", mac=macs[3], remote=V6[3]),
        ),
    )
    net.hosts[1].up(one)
    for other in (2, 3):
        net.vms[1].ip(f"neighbour replace {net.vms[other].address} lladdr {macs[other]} dev eth0 nud permanent")
        net.vms[other].ip(f"neighbour replace {net.vms[1].address} lladdr {macs[1]} dev eth0 nud permanent")
        assert net.vms[1].ping(net.vms[other])
        net.vms[1].ip(f"neighbour delete {net.vms[other].address} dev eth0")
        net.vms[other].ip(f"neighbour delete {net.vms[1].address} dev eth0")


def test_the_host_is_left_alone(net: Net) -> None:
    """The hosts themselves go on talking IPv6, through the router too, and nothing of it is counted."""
    before = net.hosts[1].overview().drops
    assert net.hosts[1].node.ping(V6[3], count=3)
    assert net.hosts[1].node.ping(V6[4], count=3)
    assert net.hosts[1].overview().drops == before


def test_an_address_goes_and_comes(net: Net) -> None:
    """Without its IPv6 address the VTEP is broken and said to be; with it all is repaired."""
    host = net.hosts[3]
    host.node.ip(f"address delete {V6[3]}/64 dev eth0")
    Lab.wait(lambda: f"vtep.local: no device has {V6[3]}" in host.log(), what="the daemon to say so")
    host.node.ip(f"address add {V6[3]}/64 dev eth0 nodad")
    host.node.ip("route replace default via fd00:92::1")
    Lab.wait(lambda: host.changes(STATES[3]) == (), what="the daemon to repair")
    assert net.vms[1].ping(net.vms[3], timeout=3)


def test_addresses_on_two_devices(net: Net) -> None:
    """Both addresses belong on one device: groups and routes hang on it. The error says where the other one is."""
    host = net.hosts[1]
    host.node.run("sysctl -qw net.ipv6.conf.tap-a.disable_ipv6=0")
    host.node.ip("address add fd00:77::1/64 dev tap-a nodad")
    try:
        file = host.file(state(1, V4[1], V4[2], local6=IPv6Address("fd00:77::1")))
        error = f"{file}: vtep.local6: fd00:77::1 is on tap-a; it belongs on eth0, as vtep.local"
        assert host.refused("up", str(file)) == error
    finally:
        host.node.run("sysctl -qw net.ipv6.conf.tap-a.disable_ipv6=1")
