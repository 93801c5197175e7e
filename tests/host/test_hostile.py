# SPDX-License-Identifier: Apache-2.0
"""Hostile traffic, while two machines talk: it is refused and counted, and they notice nothing.

a --tap-a-- [ h1 ] eth0 ---+
b --tap-b-- [ h2 ] eth0 ---+--- switch
            [ mallory ] ---+    a host of the underlay that is nobody's remote
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace

from tests.support.labs import H1, H1_6, H2, H2_6
from tests.support.running import Host
from tests.support.stream import Stream
from vxnet.lab import Lab
from vxnet.model import HostState, Port, Segment, Vtep
from vxnet.packet.arp import REPLY, Arp
from vxnet.packet.ethernet import ARP, Ethernet
from vxnet.packet.vxlan import Vxlan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address

    from vxnet.lab import Node
    from vxnet.model import IPAddress

MALLORY, MALLORY_6 = "192.168.146.66", "fd00:92::66"
VNI = 5001
FRAMES = 500


class Net(NamedTuple):
    """The lab drawn above; ``one`` and ``two`` are what h1 and h2 are to be."""

    h1: Host
    h2: Host
    mallory: Node
    a: Node
    b: Node
    one: HostState
    two: HostState


@pytest.fixture(scope="module", params=["ipv4", "ipv6"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build it, both hosts up, over one family of the underlay."""
    folder = tmp_path_factory.mktemp("hostile")
    ends: tuple[IPAddress, IPAddress] = (H1, H2) if request.param == "ipv4" else (H1_6, H2_6)
    with Lab.unique("vxevil") as lab:
        node1, node2, mallory = (
            lab.host(name, [f"{v4}/24", f"{v6}/64"])
            for name, v4, v6 in (("h1", H1, H1_6), ("h2", H2, H2_6), ("mallory", MALLORY, MALLORY_6))
        )
        lab.switch("s", node1, node2, mallory)
        a = lab.vm("a", on=node1, address="10.0.0.1/24", mtu=1430)
        b = lab.vm("b", on=node2, address="10.0.0.2/24", mtu=1430)
        h1, h2 = Host(node1, folder), Host(node2, folder)
        net = Net(h1, h2, mallory, a, b, state(*ends, "tap-a"), state(*ends[::-1], "tap-b"))
        yield net
        for host in (h1, h2):
            host.down()


def state(local: IPAddress, remote: IPAddress, device: str) -> HostState:
    """Return a host in blue, which takes packets from its remote alone, as a host file says without a word more."""
    known = f"{remote}/{remote.max_prefixlen}"
    return HostState(
        vtep=Vtep(local=local),
        segments=(Segment(name="blue", vni=VNI, remotes=(remote,), senders=(known,)),),
        ports=(Port(device=device, segment="blue"),),
    )


def accepting(now: HostState, *prefixes: str) -> HostState:
    """Return the same host, taking packets from these prefixes, or from anybody.

    A MAC may move as often as it likes: b does so in each test of this file, and would stay at home (rule 12).
    """
    return replace(now, segments=(replace(now.segments[0], senders=prefixes or None, max_moves=0),))


@pytest.fixture
def net(built: Net) -> Net:
    """Return the lab, both hosts as they are to be, and a and b acquainted."""
    for host, its in ((built.h1, built.one), (built.h2, built.two)):
        if not host.pid or host.changes(its):
            host.up(its)
    assert built.a.ping(built.b, timeout=3)
    return built


def inject(net: Net, frame: bytes, count: int = FRAMES) -> None:
    """Let mallory send h1 a frame, as if from a VTEP of the segment."""
    assert net.one.vtep is not None
    local = net.one.vtep.local
    family = socket.AF_INET if local.version == 4 else socket.AF_INET6
    packet = Vxlan(vni=VNI, payload=frame).encode()
    with net.mallory.enter(), socket.socket(family, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            sock.sendto(packet, (str(local), 4789))


def forged(net: Net) -> bytes:
    """Return what says that b's address and MAC are with the sender: an ARP reply from b to a."""
    ips: list[IPv4Address] = [net.b.addresses[0], net.a.addresses[0]]  # type: ignore[list-item]
    arp = Arp(operation=REPLY, sender_mac=net.b.mac, sender_ip=ips[0], target_mac=net.a.mac, target_ip=ips[1])
    return Ethernet(dst=net.a.mac, src=net.b.mac, ethertype=ARP, payload=arp.encode()).encode()


def where_is_b(net: Net) -> str:
    """Return which remote h1 sends to for b."""
    rows = json.loads(net.h1.vxnet("fdb", "--json").stdout)
    return next(str(row["remote"]) for row in rows if row["mac"] == net.b.mac)


def stranger(net: Net) -> str:
    """Return mallory's address."""
    return MALLORY if net.one.vtep and net.one.vtep.local.version == 4 else MALLORY_6


def taken_in(net: Net) -> None:
    """Wait until h1 believes mallory, who says it again and again: what b itself says puts it right."""

    def believed() -> bool:
        inject(net, forged(net), count=3)
        return where_is_b(net) == stranger(net)

    Lab.wait(believed, what="b to be learned at mallory")


def refused(net: Net) -> int:
    """Return how many packets h1 has dropped for their sender."""
    return net.h1.overview().drops["unknown-remote"]


def test_a_strangers_frames_are_refused(net: Net) -> None:
    """Packets from no remote of the segment teach nothing and reach nobody; the stream they are for loses nothing."""
    home, before, learned = where_is_b(net), refused(net), net.h1.overview().segments[0].traffic.rx_packets
    with Stream(net.a, net.b) as stream:
        inject(net, forged(net))
        stream.flows()
        Lab.wait(lambda: refused(net) == before + FRAMES, what="all to be counted")
    assert stream.lost == set()
    assert where_is_b(net) == home
    assert net.h1.overview().segments[0].traffic.rx_packets > learned


def test_the_same_frames_do_harm_where_anybody_is_taken(net: Net) -> None:
    """With accept = "any" the very same packets move b to the stranger: the refusal above is what stopped them."""
    net.h1.up(accepting(net.one))
    assert net.a.ping(net.b)
    taken_in(net)
    assert net.b.ping(net.a), "what b says puts it right"


def test_members_of_a_group_by_prefix(net: Net) -> None:
    """Where anybody of a prefix may send, who is outside it may not, and who is inside may."""
    net.h1.up(accepting(net.one, "192.168.146.128/25", "fd00:92::100/120"))
    assert net.a.ping(net.b)
    before = refused(net)
    inject(net, forged(net), count=3)
    Lab.wait(lambda: refused(net) == before + 3, what="all to be counted")
    net.h1.up(accepting(net.one, "192.168.146.0/24", "fd00:92::/64"))
    taken_in(net)
    assert refused(net) == before + 3
    assert net.b.ping(net.a)


def test_the_change_is_at_once(net: Net) -> None:
    """A remote that is taken off the list is refused from the next packet on, though its flow is cached."""
    assert net.a.ping(net.b, count=3)
    net.h1.up(accepting(net.one, "192.0.2.1/32"))
    assert not net.a.ping(net.b, timeout=0.3)
    net.h1.up(net.one)
    assert net.a.ping(net.b, timeout=3)


def test_a_tenants_own_vxlan_stays_inside(net: Net) -> None:
    """VXLAN packets that a tenant sends, to its neighbour or to the hosts' addresses, are its own, and not ours."""
    inner = Ethernet(dst=net.b.mac, src="02:66:66:66:66:66", ethertype=0x88B5, payload=bytes(46)).encode()
    packet = Vxlan(vni=VNI, payload=inner).encode()
    with net.b.enter():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("10.0.0.2", 4789))
    with server:
        server.settimeout(5)
        with net.a.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(packet, ("10.0.0.2", 4789))
        assert server.recv(2048) == packet
    net.a.ip(f"route replace {H2}/32 dev eth0")
    net.a.ip(f"neighbour replace {H2} lladdr {net.b.mac} dev eth0 nud permanent")
    with net.a.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(packet, (str(H2), 4789))
    net.a.ip(f"neighbour delete {H2} dev eth0")
    net.a.ip(f"route delete {H2}/32 dev eth0")
    assert net.a.ping(net.b)
    macs = {row["mac"] for host in (net.h1, net.h2) for row in json.loads(host.vxnet("fdb", "--json").stdout)}
    assert macs == {net.a.mac, net.b.mac}
