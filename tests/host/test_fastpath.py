# SPDX-License-Identifier: Apache-2.0
"""The fast path on real packets: it is taken, what it sends is right to the byte, and no byte of a stream is lost.

a --tap-a-- [ h1 ] eth0 ------------- eth0 [ h2 ] --tap-b-- b
c --tap-c----'
"""

from __future__ import annotations

import random
import socket
import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.kernels import unwraps_ipv6
from tests.support.labs import H1, H2
from tests.support.nets import Net, net_in
from tests.support.vteps import transfer
from vxnet.model import FdbEntry, Segment
from vxnet.packet import vxlan
from vxnet.packet.ethernet import IPV4, IPV6, Ethernet
from vxnet.packet.flow import PORT_MIN, source_port
from vxnet.packet.ip import IPv4
from vxnet.packet.udp import Udp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vxnet.lab import Capture

VNI = 5001
OVERLAY = "vxnet4789"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Both hosts up, and both ways between a, b and c learned."""
    with net_in(tmp_path_factory.mktemp("fastpath"), "vxfast", ipv6=True) as net:
        net.h1.bring(Segment(name="blue", vni=VNI, remotes=(H2,)), ports={"tap-a": "blue", "tap-c": "blue"})
        net.h2.bring(Segment(name="blue", vni=VNI, remotes=(H1,)), ports={"tap-b": "blue"})
        for vm in (net.b, net.c):
            assert net.a.ping(vm)
            assert net.a.ping(vm.addresses[1])
        yield net


FAMILIES_IN_PLACE = [pytest.param(0, id="ipv4"), pytest.param(1, id="ipv6", marks=unwraps_ipv6)]

ECHO = "icmp or (icmp6 and (ip6[40] == 128 or ip6[40] == 129))"


@pytest.mark.parametrize("family", FAMILIES_IN_PLACE)
def test_fast_path_is_taken(net: Net, tmp_path: Path, family: int) -> None:
    """Known unicast passes both VXLAN devices by, and the counters of ports and segments count it all the same."""
    slow = [
        switch.node.capture(OVERLAY, tmp_path / f"{switch.node.name}.pcap", matching=ECHO)
        for switch in (net.h1, net.h2)
    ]
    before = net.h1.overview().segments[0]
    assert net.a.ping(net.b.addresses[family], count=50, size=100)
    # Every 15 seconds a frame of each flow, on each CPU, goes the other way, which keeps the next hop alive.
    assert sum(len(list(packets_of(stopped(capture)))) for capture in slow) <= 4
    after = net.h1.overview().segments[0]
    # At least: the VMs' kernels report their IPv6 groups when they like.
    size = 50 * (100 + 8 + (20, 40)[family] + 14)
    for was, now in ((before.traffic, after.traffic), (before.ports[0].traffic, after.ports[0].traffic)):
        assert min(now.tx_packets - was.tx_packets, now.rx_packets - was.rx_packets) >= 50
        assert min(now.tx_bytes - was.tx_bytes, now.rx_bytes - was.rx_bytes) >= size


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_every_byte_of_the_outer_packet(net: Net, tmp_path: Path, family: int) -> None:
    """The headers are those of RFC 7348 as the reference writes them: DF, TTL 64, no checksum, a port from the flow."""
    with net.h1.node.capture("eth0", tmp_path / "outer.pcap", matching="udp") as capture:
        assert net.a.ping(net.b.addresses[family], count=3, size=77)
    # By their length: the VMs' kernels report their IPv6 groups when they like.
    packets = [
        p for p in packets_of(capture.file) if len(p) == 14 + vxlan.overhead(H2) + 14 + (20, 40)[family] + 8 + 77
    ]
    assert len(packets) == 6
    fast = 0
    for number, packet in enumerate(packets):
        outer = Ethernet.parse(packet)
        header = IPv4.parse(outer.payload)
        datagram = Udp.parse(header.payload)
        inside = vxlan.Vxlan.parse(datagram.payload)
        assert (header.dont_fragment, header.ttl, header.tos) == (True, 64, 0)
        assert datagram.checksum == 0
        assert datagram.src_port >= PORT_MIN
        assert Ethernet.parse(inside.payload).ethertype == (IPV4, IPV6)[family]
        macs = (net.h1.node.mac, net.h2.node.mac)
        assert (outer.src, outer.dst) == (macs if number % 2 == 0 else macs[::-1])
        ends = (H1, H2) if number % 2 == 0 else (H2, H1)
        if header.identification == 0:
            fast += 1
            assert datagram.src_port == source_port(inside.payload)
            assert outer.payload == vxlan.encapsulate(inside.payload, vni=VNI, src=ends[0], dst=ends[1])
    # The VXLAN device numbers its packets; it may have sent one of each end, to keep the next hop alive.
    assert fast >= 4


def test_tshark_reads_the_same(net: Net, tmp_path: Path) -> None:
    """Somebody else's decoder finds nothing wrong, and what was sent."""
    with net.h1.node.capture("eth0", tmp_path / "tshark.pcapng", matching="udp") as capture:
        assert net.a.ping(net.b)
    fields = (
        "ip.src",
        "ip.dst",
        "udp.dstport",
        "vxlan.flags",
        "vxlan.vni",
        "eth.src",
        "ip.checksum.status",
        "icmp.type",
    )
    request, reply = capture.fields(*fields, matching="icmp")
    hosts = net.h1.node.mac, net.h2.node.mac
    assert request[:6] == (f"{H1},10.0.0.1", f"{H2},10.0.0.2", "4789", "0x0800", str(VNI), f"{hosts[0]},{net.a.mac}")
    assert reply[:6] == (f"{H2},10.0.0.2", f"{H1},10.0.0.1", "4789", "0x0800", str(VNI), f"{hosts[1]},{net.b.mac}")
    assert (request[7], reply[7]) == ("8", "0")
    assert capture.fields("frame.number", matching="_ws.malformed || _ws.expert.severity >= 0x600000") == []


@pytest.mark.parametrize("family", FAMILIES_IN_PLACE)
def test_streams_stay_whole(net: Net, tmp_path: Path, family: int) -> None:
    """TCP both ways arrives byte for byte, in GSO packets that nothing on the hosts has cut up."""
    slow = net.h1.packets(OVERLAY) + net.h2.packets(OVERLAY)
    with net.h2.node.capture("eth0", tmp_path / "tso.pcapng", matching="udp", snaplen=128) as capture:
        assert transfer(net.a, net.b, net.b.addresses[family], 8 * MEGABYTE)
        assert transfer(net.b, net.a, net.a.addresses[family], 8 * MEGABYTE)
    lengths = [int(length) for (length,) in capture.fields("frame.len")]
    assert max(lengths) > 20_000
    assert sum(length > 1514 for length in lengths) > 100
    # Some frame may have had to wait for the next hop; the VMs' own multicast goes this way too.
    assert net.h1.packets(OVERLAY) + net.h2.packets(OVERLAY) - slow < 50


OFFLOADS = {
    "vm-without-tso": ("a", "eth0", "tso off"),
    "vm-without-gso": ("a", "eth0", "tso off gso off"),
    "vm-with-checksums": ("a", "eth0", "tx off"),
    "receiver-without-checksums": ("b", "eth0", "rx off"),
    "port-without-tso": ("h2", "tap-b", "tso off gso off"),
    "port-with-checksums": ("h2", "tap-b", "tx off"),
    "port-with-gro": ("h1", "tap-a", "gro on"),
    "receiver-with-gro": ("b", "eth0", "gro on"),
    "underlay-without-tso": ("h1", "eth0", "tso off gso off"),
    "underlay-with-checksums": ("h1", "eth0", "tx off"),
    "underlay-with-gro": ("h2", "eth0", "gro on"),
    "underlay-without-tunnel-offload": ("h1", "eth0", "tx-udp_tnl-segmentation off"),
}


@pytest.mark.parametrize("setting", OFFLOADS)
def test_streams_with_other_offloads(net: Net, setting: str) -> None:
    """Whoever segments, merges and checks: the bytes arrive, on the same host and between hosts."""
    where, device, change = OFFLOADS[setting]
    node = {"a": net.a, "b": net.b, "h1": net.h1.node, "h2": net.h2.node}[where]
    words = change.split()
    node.run("ethtool", "-K", device, *words)
    try:
        for family in (0, 1):
            assert transfer(net.a, net.b, net.b.addresses[family], MEGABYTE)
            assert transfer(net.b, net.a, net.a.addresses[family], MEGABYTE)
            assert transfer(net.a, net.c, net.c.addresses[family], MEGABYTE)
    finally:
        back = ["off" if word == "on" else "on" if word == "off" else word for word in words]
        node.run("ethtool", "-K", device, *back)


def test_stream_to_a_port_without_a_peer(net: Net) -> None:
    """A port whose other end is on the host itself gets GSO packets by the slow path, which unwraps them cleanly."""
    h2 = net.h2.node
    h2.ip("link add near type veth peer name far")
    try:
        h2.ip("link set near up")
        h2.ip("address add 10.0.0.9/24 dev far")
        h2.ip("link set far up")
        net.h2.bring(Segment(name="blue", vni=VNI, remotes=(H1,)), ports={"tap-b": "blue", "near": "blue"})
        net.a.wait(lambda: net.a.ping("10.0.0.9", timeout=0.2), what="the new port")
        assert transfer(net.a, h2, "10.0.0.9", 2 * MEGABYTE)
        assert transfer(h2, net.a, net.a.address, 2 * MEGABYTE)
    finally:
        net.h2.bring(Segment(name="blue", vni=VNI, remotes=(H1,)), ports={"tap-b": "blue"})
        h2.ip("link delete near")


UDP_SEGMENT = 103
"""linux/udp.h: the length at which the device is to cut what one call sends."""


@pytest.mark.parametrize("to", ["b", "c"])
@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_udp_segmentation(net: Net, to: str, family: int) -> None:
    """Datagrams that leave a VM in one piece (as QUIC sends them) arrive one by one, each as it was."""
    receiver = {"b": net.b, "c": net.c}[to]
    address = str(receiver.addresses[family])
    version = (socket.AF_INET, socket.AF_INET6)[family]
    data = random.Random(1).randbytes(20 * 1000 + 500)
    with receiver.enter():
        inbox = socket.socket(version, socket.SOCK_DGRAM)
    with net.a.enter():
        outbox = socket.socket(version, socket.SOCK_DGRAM)
    with inbox, outbox:
        inbox.bind((address, 0))
        inbox.settimeout(5)
        outbox.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        outbox.sendto(data, inbox.getsockname()[:2])
        assert [inbox.recv(2048) for _ in range(21)] == [data[at : at + 1000] for at in range(0, len(data), 1000)]


VIRTIO_NEEDS_CSUM, VIRTIO_GSO_TCPV4 = 1, 1
"""linux/virtio_net.h."""


def test_a_virtual_machine_s_large_frame(net: Net, tmp_path: Path) -> None:
    """What a real VM's device (TAP with a virtio header) sends in one piece is wrapped in one piece."""
    static = FdbEntry(segment="blue", mac=net.b.mac, remote=H2)
    segment = Segment(name="blue", vni=VNI, remotes=(H2,))
    size = 8 * 1400
    header = IPv4(src=IPv4Address("10.0.0.7"), dst=IPv4Address("10.0.0.2"), protocol=6, payload=bytes(20 + size))
    tcp = struct.pack("!HHIIBBHHH", 40000, 9, 1, 0, 5 << 4, 0x10, 512, 0, 0)
    inner = Ethernet(
        dst=net.b.mac, src="02:00:00:00:07:07", ethertype=IPV4, payload=header.encode()[:20] + tcp
    ).encode()
    virtio = struct.pack("=BBHHHH", VIRTIO_NEEDS_CSUM, VIRTIO_GSO_TCPV4, 54, 1400, 34, 16)
    with net.h1.node.tap("tapv", vnet_header=True) as tap:
        net.h1.bring(segment, ports={"tap-a": "blue", "tap-c": "blue", "tapv": "blue"}, fdb=(static,))
        with net.h2.node.capture("eth0", tmp_path / "vm.pcapng", matching="udp", snaplen=200) as capture:
            tap.write(virtio + inner + bytes(size))
        net.h1.bring(segment, ports={"tap-a": "blue", "tap-c": "blue"})
    lengths = capture.fields("frame.len", matching="ip.src == 10.0.0.7")
    assert lengths == [(str(len(inner) + size + 50),)]


def test_a_guest_that_routes(net: Net) -> None:
    """A guest may pass on what it was given whole: a router between two segments, whose streams are wrapped again."""
    h2, r = net.h2.node, net.b
    red, blue = Segment(name="red", vni=7), Segment(name="blue", vni=VNI)
    h2.ip("link", "add", "tap-r", "mtu", "1450", "type", "veth", "peer", "eth1", "mtu", "1450", "netns", r.namespace)
    h2.ip("link set tap-r up")
    r.run("sysctl -qw net.ipv4.ip_forward=1")
    r.ip("link set eth1 up")
    r.ip("address add 10.0.7.1/24 dev eth1")
    net.c.ip("address add 10.0.7.3/24 dev eth0")
    net.c.ip("route add 10.0.0.1/32 via 10.0.7.1")
    net.a.ip("route add 10.0.7.0/24 via 10.0.0.2")
    try:
        net.h1.bring(with_remote(red, H2), with_remote(blue, H2), ports={"tap-a": "blue", "tap-c": "red"})
        net.h2.bring(with_remote(red, H1), with_remote(blue, H1), ports={"tap-b": "blue", "tap-r": "red"})
        assert net.a.ping("10.0.7.3")
        assert transfer(net.a, net.c, "10.0.7.3", 2 * MEGABYTE)
        assert transfer(net.c, net.a, net.a.address, 2 * MEGABYTE)
    finally:
        net.h1.bring(with_remote(blue, H2), ports={"tap-a": "blue", "tap-c": "blue"})
        net.h2.bring(with_remote(blue, H1), ports={"tap-b": "blue"})
        net.a.ip("route delete 10.0.7.0/24")
        net.c.ip("route delete 10.0.0.1/32")
        net.c.ip("address delete 10.0.7.3/24 dev eth0")
        r.run("sysctl -qw net.ipv4.ip_forward=0")
        h2.ip("link delete tap-r")


def with_remote(segment: Segment, remote: IPv4Address) -> Segment:
    """Return the segment with one remote."""
    return replace(segment, remotes=(remote,))


def stopped(capture: Capture) -> Path:
    """Stop a capture and return its file."""
    capture.stop()
    return capture.file


def packets_of(file: Path) -> Iterator[bytes]:
    """Yield the packets of a .pcap file."""
    data = file.read_bytes()
    at = 24
    while at < len(data):
        length = int.from_bytes(data[at + 8 : at + 12], "little")
        yield data[at + 16 : at + 16 + length]
        at += 16 + length
