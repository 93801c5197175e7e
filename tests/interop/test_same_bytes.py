# SPDX-License-Identifier: Apache-2.0
"""For one and the same frame vxnet sends, byte for byte, what Linux's VXLAN device sends with equal settings.

    frame --> tap1 [ h1: first vxnet, then bridge and VXLAN device ] eth0 --captured-- eth0 [ h2 ]

Linux's settings: ttl 64, df set, noudpcsum, srcport 49152 65535. What it chooses for itself is the UDP source port, the
IP identification, and with it the header's checksum.
"""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

import pytest
from scapy.utils import rdpcap

from tests.interop.linux_peer import LinuxVxlan
from tests.support.labs import H1, H2, two_hosts
from tests.support.running import Host
from vxnet.lab import Lab
from vxnet.model import VXLAN_PORT, FdbEntry, HostState, Port, Segment, Vtep
from vxnet.packet import arp, ethernet, ip, vxlan
from vxnet.packet.checksum import internet_checksum
from vxnet.packet.flow import PORT_MIN
from vxnet.packet.udp import Udp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Capture, Tap
    from vxnet.model import IPAddress

VNI = 5001
MAC_A, MAC_B = "02:00:0a:00:00:01", "02:00:0a:00:00:02"
A4, B4 = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
A6, B6 = IPv6Address("fd00::1"), IPv6Address("fd00::2")
MTU = 1450


def frame(ethertype: int, payload: bytes, dst: str = MAC_B) -> bytes:
    """Return a frame from a."""
    return ethernet.Ethernet(dst=dst, src=MAC_A, ethertype=ethertype, payload=payload).encode()


def four(protocol: int, payload: bytes, *, tos: int = 0, more: bool = False) -> bytes:
    """Return a frame with an IPv4 packet from a to b."""
    packet = ip.IPv4(src=A4, dst=B4, protocol=protocol, tos=tos, more_fragments=more, ttl=64, payload=payload)
    return frame(ethernet.IPV4, packet.encode())


def six(protocol: int, payload: bytes, *, traffic_class: int = 0) -> bytes:
    """Return a frame with an IPv6 packet from a to b."""
    packet = ip.IPv6(src=A6, dst=B6, next_header=protocol, traffic_class=traffic_class, payload=payload)
    return frame(ethernet.IPV6, packet.encode())


def datagram(src: IPAddress, dst: IPAddress, size: int = 32) -> bytes:
    """Return a UDP datagram with ``size`` bytes of payload."""
    plain = Udp(src_port=1234, dst_port=5678, payload=bytes(i & 0xFF for i in range(size)))
    return plain.with_checksum(src, dst).encode()


SEGMENT = bytes.fromhex("04d2 162e 00000001 00000000 5002 ffff 0000 0000")
"""A TCP header with SYN set."""
QUESTION = arp.Arp(operation=arp.REQUEST, sender_mac=MAC_A, sender_ip=A4, target_ip=B4)

FAST = {
    "udp": four(ip.UDP, datagram(A4, B4)),
    "udp-empty": four(ip.UDP, datagram(A4, B4, 0)),
    "udp-largest": four(ip.UDP, datagram(A4, B4, MTU - 28)),
    "tcp": four(ip.TCP, SEGMENT),
    "other-protocol": four(47, bytes(4)),
    "fragment": four(ip.UDP, datagram(A4, B4), more=True),
    "dscp": four(ip.UDP, datagram(A4, B4), tos=0xB8),
    "ect1": four(ip.UDP, datagram(A4, B4), tos=1),
    "ect0": four(ip.UDP, datagram(A4, B4), tos=2),
    "ce": four(ip.UDP, datagram(A4, B4), tos=3),
    "udp6": six(ip.UDP, datagram(A6, B6)),
    "udp6-largest": six(ip.UDP, datagram(A6, B6, MTU - 48)),
    "tcp6": six(ip.TCP, SEGMENT),
    "ect0-6": six(ip.UDP, datagram(A6, B6), traffic_class=2),
    "ce-6": six(ip.UDP, datagram(A6, B6), traffic_class=0xBB),
}
"""What the fast path takes."""
SLOW = {
    "arp": frame(ethernet.ARP, QUESTION.encode(), "ff:ff:ff:ff:ff:ff"),
    "not-ip": frame(0x88B5, bytes(46)),
    "unknown-mac": frame(ethernet.IPV4, four(ip.UDP, datagram(A4, B4))[14:], "02:00:0a:00:00:63"),
}
"""What vxnet gives to the kernel's VXLAN device."""
FRAMES = FAST | SLOW
FIELDS = (
    "vxlan.vni", "vxlan.flags", "udp.srcport", "udp.dstport", "udp.checksum", "ip.src", "ip.dst", "ip.flags.df",
    "ip.ttl", "eth.src", "eth.dst", "frame.len",
)  # fmt: skip


class Sent(NamedTuple):
    """What was sent for the frames, by their names: the packets, and the fields as tshark reads them."""

    packets: dict[str, bytes]
    fields: dict[str, tuple[str, ...]]


class Both(NamedTuple):
    """What vxnet and Linux have sent, and the MACs of the hosts."""

    vxnet: Sent
    linux: Sent
    macs: tuple[str, str]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Let both of them send all frames from the same host."""
    folder = tmp_path_factory.mktemp("bytes")
    with Lab.unique("iopbytes") as lab:
        node1, node2 = two_hosts(lab)
        tap = lab.tap(node1, "tap1", mtu=MTU)
        with node2.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
            taker.bind((str(H2), VXLAN_PORT))  # so that h2 does not complain by ICMP
            assert node1.ping(H2), "the next hop is to be known"
            h1 = Host(node1, folder)
            h1.up(STATE)
            with node1.capture("eth0", folder / "vxnet.pcap", matching=f"udp dst port {VXLAN_PORT}") as capture:
                write(tap)
            ours = sent(capture)
            h1.down()
            options = ("ttl", "64", "df", "set", "noudpcsum", "srcport", str(PORT_MIN), "65535")
            peer = LinuxVxlan(node1, tap.name, vni=VNI, remote=H2, options=options)
            with node1.capture("eth0", folder / "linux.pcap", matching=f"udp dst port {VXLAN_PORT}") as capture:
                write(tap)
            theirs = sent(capture)
            peer.remove()
        yield Both(ours, theirs, (node1.mac, node2.mac))


STATE = HostState(
    vtep=Vtep(local=H1),
    segments=(Segment(name="blue", vni=VNI, remotes=(H2,)),),
    ports=(Port(device="tap1", segment="blue"),),
    fdb=(FdbEntry(segment="blue", mac=MAC_B, remote=H2),),
)


def write(tap: Tap) -> None:
    """Send all frames, on one CPU: a CPU's first frame between two MACs goes over the slow path."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        for data in (FRAMES["udp"], *FRAMES.values()):
            tap.write(data)
    finally:
        os.sched_setaffinity(0, allowed)


def sent(capture: Capture) -> Sent:
    """Return what was captured, without the first packet."""
    fields = capture.fields(*FIELDS)[1:]
    packets = [bytes(packet) for packet in rdpcap(str(capture.file))][1:]
    assert len(packets) == len(fields) == len(FRAMES)
    assert capture.dropped == 0
    return Sent(dict(zip(FRAMES, packets, strict=True)), dict(zip(FRAMES, fields, strict=True)))


def without_choices(packet: bytes) -> bytes:
    """Return the packet without IP identification, header checksum and UDP source port."""
    return packet[:18] + packet[20:24] + packet[26:34] + packet[36:]


@pytest.mark.parametrize("name", FRAMES)
def test_vxnet_sends_what_linux_sends(both: Both, name: str) -> None:
    """The packets differ in nothing but what a sender may choose, and those choices are valid ones."""
    ours, theirs = both.vxnet.packets[name], both.linux.packets[name]
    assert without_choices(ours) == without_choices(theirs)
    for packet in (ours, theirs):
        assert packet.endswith(FRAMES[name])
        assert internet_checksum(packet[14:34]) == 0
        assert int.from_bytes(packet[34:36], "big") >= PORT_MIN


@pytest.mark.parametrize("name", FAST)
def test_the_reference_writes_the_same(both: Both, name: str) -> None:
    """On the fast path not even those choices differ from what `encapsulate` writes."""
    outer = vxlan.encapsulate(FRAMES[name], vni=VNI, src=H1, dst=H2)
    wanted = vxlan.onto_ethernet(outer, src_mac=both.macs[0], dst_mac=both.macs[1])
    assert both.vxnet.packets[name] == wanted


@pytest.mark.parametrize("name", FRAMES)
def test_tshark_reads_the_same(both: Both, name: str) -> None:
    """A third party reads what was meant: VNI, I flag, ports, DF, TTL, both pairs of MACs."""
    packet, data = both.vxnet.packets[name], FRAMES[name]
    read = dict(zip(FIELDS, both.vxnet.fields[name], strict=True))
    inner = ethernet.Ethernet.parse(data)
    outermost = {field: value.partition(",")[0] for field, value in read.items()}
    assert (outermost["vxlan.vni"], int(outermost["vxlan.flags"], 16)) == (str(VNI), 0x0800)
    assert outermost["udp.srcport"] == str(int.from_bytes(packet[34:36], "big"))
    assert (outermost["udp.dstport"], int(outermost["udp.checksum"], 16)) == (str(VXLAN_PORT), 0)
    assert (outermost["ip.src"], outermost["ip.dst"]) == (str(H1), str(H2))
    assert outermost["ip.flags.df"] in {"1", "True"}
    assert outermost["ip.ttl"] == "64"
    assert read["eth.src"] == f"{both.macs[0]},{inner.src}"
    assert read["eth.dst"] == f"{both.macs[1]},{inner.dst}"
    assert read["frame.len"] == str(50 + len(data))
    theirs = dict(zip(FIELDS, both.linux.fields[name], strict=True))
    chosen = {"udp.srcport"}
    assert {f: v for f, v in read.items() if f not in chosen} == {f: v for f, v in theirs.items() if f not in chosen}
