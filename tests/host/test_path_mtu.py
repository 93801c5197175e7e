# SPDX-License-Identifier: Apache-2.0
"""Tenants with an MTU of 1500 over an underlay with 1500, which has 50 too few, and over paths with fewer still.

a --tap-a-- [ h1 ] eth0 --- eth0 [ r1 ] eth1 --- eth0 [ h2 ] --tap-b-- b

"ping works, ssh hangs": small packets pass, full segments do not, and nobody tells the sender. Here it is told.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.vteps import Switch, stream, transfer
from vxnet.lab import Lab
from vxnet.model import FdbEntry, Segment
from vxnet.packet import ethernet, ip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Node

H1, H2 = IPv4Address("192.168.1.10"), IPv4Address("192.168.2.10")
V4, V6 = IPv4Address("10.0.0.2"), IPv6Address("fd00::2")
MEGABYTE = 1 << 20
PATIENCE = 20.0
"""Seconds for a stream to get on."""

FRAGMENTS = "ip[6:2] & 0x3fff != 0"
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14
VIRTIO_NEEDS_CSUM, VIRTIO_GSO_TCPV4 = 1, 1
"""linux/in.h, linux/virtio_net.h."""


class Net(NamedTuple):
    """The lab drawn above, with both ports in segment blue."""

    h1: Switch
    h2: Switch
    r1: Node
    a: Node
    b: Node


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Both hosts up, the machines with an MTU that is too large."""
    folder = tmp_path_factory.mktemp("mtu")
    with Lab.unique("vxmtu") as lab:
        h1 = lab.host("h1", f"{H1}/24", gateway="192.168.1.1")
        h2 = lab.host("h2", f"{H2}/24", gateway="192.168.2.1")
        r1 = lab.router("r1", ["192.168.1.1/24", "192.168.2.1/24"])
        lab.link(h1, r1)
        lab.link(r1, h2)
        a = lab.vm("a", on=h1, address=["10.0.0.1/24", "fd00::1/64"], mtu=1500)
        b = lab.vm("b", on=h2, address=[f"{V4}/24", f"{V6}/64"], mtu=1500)
        left, right = Switch(h1, folder), Switch(h2, folder)
        left.bring(Segment(name="blue", vni=7, remotes=(H2,)), ports={"tap-a": "blue"})
        right.bring(Segment(name="blue", vni=7, remotes=(H1,)), ports={"tap-b": "blue"})
        yield Net(left, right, r1, a, b)
        left.take_down()
        right.take_down()


@pytest.fixture
def net(built: Net) -> Iterator[Net]:
    """The same, where nobody has been told anything yet and the machines know each other."""
    for machine in (built.a, built.b):
        machine.ip("route flush cache")
        machine.ip("-6 route flush cache")
    for address in (V4, V6):
        assert built.a.ping(address)
    yield built
    for node, device in ((built.h1.node, "eth0"), (built.r1, "eth0"), (built.r1, "eth1"), (built.h2.node, "eth0")):
        node.ip(f"link set {device} mtu 1500")
    for host, remote in ((built.h1, H2), (built.h2, H1)):
        host.node.ip("route flush cache")
        host.node.ip(f"route get {remote}")  # what was flushed is gone when a route is next asked for
        host.touch()


def told(machine: Node, address: IPv4Address | IPv6Address, size: int) -> str:
    """Return what `ping` says of an IP packet of ``size`` bytes that must not be fragmented."""
    headers = 28 if address.version == 4 else 48
    done = machine.run(f"ping -n -M do -c 1 -W 1 -s {size - headers} {address}", check=False)
    return done.stdout + done.stderr


def too_big(host: Switch) -> int:
    """Return how many frames a host has dropped because they were too large."""
    return host.overview().drops["too-big"]


def test_ping_is_told(net: Net) -> None:
    """The largest packet that fits passes; one byte more is answered by its destination: so much would have fitted."""
    before = too_big(net.h1)
    assert "1 received" in told(net.a, V4, 1450)
    assert f"From {V4} icmp_seq=1 Frag needed and DF set (mtu = 1450)" in told(net.a, V4, 1451)
    assert "1 received" in told(net.a, V6, 1450)
    assert f"From {V6} icmp_seq=1 Packet too big: mtu=1450" in told(net.a, V6, 1451)
    assert too_big(net.h1) == before + 2
    assert "message too long, mtu=1450" in told(net.a, V4, 1451), "the machine knows"


def test_whoever_asks_for_the_path_mtu_gets_it(net: Net) -> None:
    """The way of tracepath: a socket that never fragments learns the path's MTU from what is refused."""
    with net.a.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        sock.connect((str(V4), 9))
        assert sock.getsockopt(socket.IPPROTO_IP, IP_MTU) == 1500
        sock.send(bytes(1472))
        net.a.wait(lambda: sock.getsockopt(socket.IPPROTO_IP, IP_MTU) == 1450, what="the path's MTU")


@pytest.mark.parametrize("address", [V4, V6], ids=["ipv4", "ipv6"])
def test_streams_do_not_hang(net: Net, address: IPv4Address | IPv6Address, tmp_path: Path) -> None:
    """Ping works, and so does a stream of full segments, sent in large pieces (TSO); no fragment of it leaves."""
    before = too_big(net.h1)
    with (
        net.h1.node.capture("eth0", tmp_path / "cut.pcapng", matching=FRAGMENTS) as cut,
        net.h1.node.capture("tap-a", tmp_path / "sent.pcapng", matching="tcp and greater 1515", snaplen=100) as sent,
        net.a.capture("eth0", tmp_path / "told.pcapng", matching="icmp or icmp6") as errors,
    ):
        assert transfer(net.a, net.b, address, 4 * MEGABYTE)
    assert sent.fields("frame.len"), "nothing was sent in large pieces"
    assert cut.fields("ip.src") == []
    assert too_big(net.h1) > before
    # Wireshark does not look at the checksum that the quoted segment still has to get.
    name, mtu = ("icmp", "icmp.mtu") if address == V4 else ("icmpv6", "icmpv6.mtu")
    seen = errors.fields(f"{name}.checksum.status", mtu, matching=mtu)
    assert set(seen) == {("1", "1450")}


def knows(machine: Node, address: IPv4Address | IPv6Address, mtu: int) -> bool:
    """Tell whether a machine has learned the MTU of the path to an address."""
    return f"mtu {mtu} " in machine.ip(f"route get {address}").replace("\n", " ")


@pytest.mark.parametrize("address", [V4, V6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("link", ["underlay", "beyond"])
def test_a_path_that_shrinks_under_a_stream(
    net: Net, address: IPv4Address | IPv6Address, link: str, tmp_path: Path
) -> None:
    """A link of the path gets smaller under a stream: the sender is told, all of it arrives, and nothing is cut."""
    ends = {"underlay": ((net.h1.node, "eth0"), (net.r1, "eth0")), "beyond": ((net.r1, "eth1"), (net.h2.node, "eth0"))}

    def blocks() -> Iterator[bytes]:
        yield random.randbytes(MEGABYTE)
        assert knows(net.a, address, 1450)
        for node, device in ends[link]:
            node.ip(f"link set {device} mtu 1400")
        deadline = time.monotonic() + PATIENCE
        while not knows(net.a, address, 1350):
            assert time.monotonic() < deadline, "the sender was not told"
            yield random.randbytes(MEGABYTE // 4)
        yield random.randbytes(MEGABYTE)

    with (
        net.h1.node.capture("eth0", tmp_path / "h1.pcapng", matching=FRAGMENTS) as first,
        net.h2.node.capture("eth0", tmp_path / "h2.pcapng", matching=FRAGMENTS) as last,
    ):
        assert stream(net.a, net.b, address, blocks(), PATIENCE)
    assert first.fields("ip.src") == last.fields("ip.src") == []


def test_a_router_in_between(net: Net) -> None:
    """What a router of the underlay tells the host, the host's kernel believes, and the switch tells the machine."""
    net.r1.ip("link set eth1 mtu 1400")
    told(net.a, V4, 1400)  # the router tells h1
    assert "mtu 1400" in net.h1.node.ip(f"route get {H2}")
    net.a.wait(lambda: "Frag needed and DF set (mtu = 1350)" in told(net.a, V4, 1400), what="to be told")
    assert "1 received" in told(net.a, V4, 1350)
    assert "Packet too big: mtu=1350" in told(net.a, V6, 1400)


def test_what_need_not_be_told(net: Net, tmp_path: Path) -> None:
    """Where the sender allows fragments it sends none itself, and the switch makes none: the packet is dropped."""
    before = too_big(net.h1)
    with net.a.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)
        with (
            net.h1.node.capture("eth0", tmp_path / "cut.pcapng", matching=FRAGMENTS) as cut,
            net.a.capture("eth0", tmp_path / "told.pcapng", matching="icmp") as errors,
        ):
            sock.sendto(bytes(1472), (str(V4), 9))
            net.a.wait(lambda: too_big(net.h1) == before + 1, what="the drop")
    assert cut.fields("ip.src") == errors.fields("ip.src") == []


def test_a_virtual_machine_s_large_frame(net: Net) -> None:
    """A frame sent in one piece is answered with a small one: no GSO, and a checksum that nobody has to finish."""
    segment, machine = Segment(name="blue", vni=7, remotes=(H2,)), "02:00:00:00:07:07"
    static = FdbEntry(segment="blue", mac=net.b.mac, remote=H2)
    header = ip.IPv4(src=IPv4Address("10.0.0.7"), dst=V4, protocol=ip.TCP, dont_fragment=True, payload=bytes(8020))
    tcp = struct.pack("!HHIIBBHHH", 40000, 9, 77, 0, 5 << 4, 0x10, 512, 0xABCD, 0)
    packet = header.encode()[:20] + tcp + bytes(8000)
    frame = ethernet.Ethernet(dst=net.b.mac, src=machine, ethertype=ethernet.IPV4, payload=packet).encode()
    virtio = struct.pack("=BBHHHH", VIRTIO_NEEDS_CSUM, VIRTIO_GSO_TCPV4, 54, 1460, 34, 16)
    with net.h1.node.tap("tapv", vnet_header=True) as tap:
        net.h1.bring(segment, ports={"tap-a": "blue", "tapv": "blue"}, fdb=(static,))
        tap.read_all(0.01)
        tap.write(virtio + frame)
        answer = tap.read()
        net.h1.bring(segment, ports={"tap-a": "blue"})
    assert answer is not None
    assert answer[:10] == bytes(10), "a virtio header with something to be done"
    error = ip.IPv4.parse(answer[24:])
    assert (error.src, error.dst, error.protocol) == (V4, IPv4Address("10.0.0.7"), ip.ICMP)
    assert error.payload[:2] == b"\3\4"
    assert error.payload[6:] == (1450).to_bytes(2, "big") + packet[:544]
