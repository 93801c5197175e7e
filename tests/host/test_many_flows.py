# SPDX-License-Identifier: Apache-2.0
"""Many flows at once: their outer source ports, the order within each of them, and the cores that carry them.

a --tap-a-- [ h1 ] eth0 ------------- eth0 [ h2 ] --tap-b-- b          x, y: TAPs, the test at their other ends
c --tap-c----' '-- x                   rps  '  '-----tap-d-- d
                                            y

At h2 the kernel hands packets to the cores by their hash (RPS), as a network card with several queues does.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import threading
from collections import Counter, defaultdict
from ipaddress import IPv4Address, IPv6Address
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.labs import H1, H2
from tests.support.nets import Net, net_in
from tests.support.virtio import HEADER, SEGMENT, Flow, Manner, payload_of
from vxnet.datapath.slots import Slots
from vxnet.model import FdbEntry, Segment
from vxnet.packet import ip
from vxnet.packet.flow import PORT_MAX, PORT_MIN, source_port
from vxnet.packet.outer import read_outer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vxnet.lab import Node, Tap

ETH_P_ALL = 3
"""linux/if_ether.h"""
SO_RCVBUFFORCE, UDP_SEGMENT = 33, 103
"""asm-generic/socket.h, linux/udp.h"""

CORES = sorted(os.sched_getaffinity(0))
pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")

MAC_X, MAC_Y = "02:00:0a:00:00:71", "02:00:0a:00:00:72"
FLOWS = 10_000
BUCKETS = 128
NUMBER = struct.Struct("!I")


class Bed(NamedTuple):
    """The lab drawn above, up, with all ways known."""

    net: Net
    x: Tap
    y: Tap


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Build it."""
    with net_in(tmp_path_factory.mktemp("flows"), "vxflows") as net:
        x, y = net.h1.node.tap("x", vnet_header=True), net.h2.node.tap("y", vnet_header=True)
        net.h2.node.ip("link set y txqueuelen 100000")
        bring(net)
        for source in (net.a, net.c):
            for target in (net.b, net.d):
                assert source.ping(target)
        assert net.h1.node.ping(net.h2.node)
        yield Bed(net, x, y)


def bring(net: Net, *, checksum: bool = False) -> None:
    """Bring both hosts up, with outer UDP checksums, for which everything takes the slow path, or without."""
    places = {"x": (net.h1, MAC_X), "y": (net.h2, MAC_Y)}
    for switch, remote, taps in ((net.h1, H2, "acx"), (net.h2, H1, "bdy")):
        fdb = tuple(
            FdbEntry(segment="blue", mac=mac, port=name)
            if where is switch
            else FdbEntry(segment="blue", mac=mac, remote=remote)
            for name, (where, mac) in places.items()
        )
        segment = Segment(name="blue", vni=5001, remotes=(remote,), csum=checksum)
        ports = {name if name in places else f"tap-{name}": "blue" for name in taps}
        switch.bring(segment, ports=ports, fdb=fdb)


# ---- outer source ports ----


def _clients(n: int) -> tuple[str, str, int, int]:
    """One client and one server, port after port."""
    return "10.0.0.71", "10.0.0.72", 32768 + n, 443


def _hosts(n: int) -> tuple[str, str, int, int]:
    """A hundred clients and a hundred servers, each with the same ports."""
    return f"10.1.0.{n % 100}", f"10.2.0.{n // 100}", 4000, 4000


def _hosts6(n: int) -> tuple[str, str, int, int]:
    """The same with IPv6."""
    return f"fd00:1::{n % 100:x}", f"fd00:2::{n // 100:x}", 4000, 4000


def frame_of(ends: tuple[str, str, int, int]) -> bytes:
    """Return a datagram from x to y."""
    source, target, sport, dport = ends
    address = IPv6Address if ":" in source else IPv4Address
    flow = Flow(MAC_X, MAC_Y, address(source), address(target), ip.UDP)
    return flow.frame(struct.pack("!HHHH", sport, dport, 12, 0) + b"flow")


@pytest.mark.parametrize("flow", [_clients, _hosts, _hosts6], ids=["clients", "hosts", "hosts6"])
def test_fast_path_spreads_flows(bed: Bed, flow: Callable[[int], tuple[str, str, int, int]]) -> None:
    """10 000 flows fall on the ports as by chance (chi-square, 0.1 %), and each always on the one that the hash says.

    The hash has no secret and the flows are always the same, so this is so in each run or in none.
    """
    frames = [frame_of(flow(n)) for n in range(FLOWS)]
    fast = [(port, frame) for port, frame, by_kernel in on_the_wire(bed, frames * 2) if not by_kernel]
    # Every 15 seconds a frame of each pair of MACs takes the slow path.
    assert len(fast) >= 2 * FLOWS - 10
    assert all(port == source_port(frame) for port, frame in fast)
    ports = list({frame: port for port, frame in fast}.values())
    assert chi_square(ports, lambda port: (port - PORT_MIN) * BUCKETS // (PORT_MAX + 1 - PORT_MIN)) < limit(1e-3)
    assert chi_square(ports, lambda port: port % BUCKETS) < limit(1e-3)


@pytest.mark.parametrize("flow", [_clients, _hosts, _hosts6], ids=["clients", "hosts", "hosts6"])
def test_slow_path_spreads_flows(bed: Bed, flow: Callable[[int], tuple[str, str, int, int]]) -> None:
    """So does the kernel's VXLAN device, from the same range: its hash has a secret, hence chi-square at 1e-9."""
    frames = [frame_of(flow(n)) for n in range(FLOWS)]
    bring(bed.net, checksum=True)
    try:
        seen = on_the_wire(bed, frames * 2)
    finally:
        bring(bed.net)
    ports: dict[bytes, set[int]] = defaultdict(set)
    for port, frame, by_kernel in seen:
        assert by_kernel
        ports[frame].add(port)
    assert len(ports) == FLOWS
    assert all(len(its) == 1 for its in ports.values())
    every = [port for its in ports.values() for port in its]
    assert PORT_MIN <= min(every) <= max(every) <= PORT_MAX
    assert chi_square(every, lambda port: (port - PORT_MIN) * BUCKETS // (PORT_MAX + 1 - PORT_MIN)) < limit(1e-9)


def on_the_wire(bed: Bed, frames: list[bytes]) -> list[tuple[int, bytes, bool]]:
    """Send frames from x; return outer source port, frame, and whether the kernel's device has sent it, of each."""
    with bed.net.h2.node.enter():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with wire:
        wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
        wire.bind(("eth0", ETH_P_ALL))
        wire.settimeout(3)
        for frame in frames:
            bed.x.write(bytes(HEADER.size) + frame)
        seen: list[tuple[int, bytes, bool]] = []
        while len(seen) < len(frames):
            packet = wire.recv(2048)
            outer = read_outer(packet)
            if outer and outer.dst_port == 4789 and MAC_X in _macs(outer.frame):
                # The kernel numbers its packets, or they have a checksum; ours do not.
                by_kernel = packet[18:20] != b"\0\0" or outer.udp_datagram[6:8] != b"\0\0"
                seen.append((int.from_bytes(outer.udp_datagram[:2], "big"), outer.frame, by_kernel))
    bed.y.read_all()
    return seen


def _macs(frame: bytes) -> str:
    return frame[:12].hex(":")


def chi_square(ports: list[int], bucket: Callable[[int], int]) -> float:
    """Return how far the ports are from filling BUCKETS evenly."""
    assert len(ports) == FLOWS
    counts, expected = Counter(map(bucket, ports)), FLOWS / BUCKETS
    return sum((counts[n] - expected) ** 2 / expected for n in range(BUCKETS))


def limit(significance: float) -> float:
    """Return what chance exceeds that seldom (Wilson and Hilferty's approximation: 182.0 for 0.1 %)."""
    freedom = BUCKETS - 1
    spread = 2 / (9 * freedom)
    root: float = 1 - spread + NormalDist().inv_cdf(1 - significance) * math.sqrt(spread)
    return freedom * root**3


# ---- order, and cores ----

PACKETS = 4000
"""Of each flow."""


@contextlib.contextmanager
def receiving_on(node: Node, mask: int) -> Iterator[None]:
    """Let the kernel spread what comes to eth0 over the cores of ``mask``."""

    def set_to(value: int) -> None:
        file = "/sys/class/net/eth0/queues/rx-0/rps_cpus"
        node.run("ip", "netns", "exec", node.namespace, "sh", "-c", f"echo {value:x} >{file}")

    set_to(mask)
    try:
        yield
    finally:
        set_to(0)


@pytest.mark.parametrize("batches", [False, True], ids=["datagrams", "datagrams-and-batches"])
def test_order_within_each_flow(bed: Bed, batches: bool) -> None:  # noqa: FBT001
    """32 flows at full speed from two machines, a core each, to two: none is reordered, and both hosts use both cores.

    A batch (UDP GSO) takes the slow path where it is received, what is around it does not.
    """
    net = bed.net
    with contextlib.ExitStack() as stack:
        stack.enter_context(receiving_on(net.h2.node, 1 << CORES[0] | 1 << CORES[1]))
        flows = {source.name: [opened(stack, source, to) for to in (net.b, net.d) * 8] for source in (net.a, net.c)}
        before = carried(net)
        senders = [
            threading.Thread(target=send, args=(core, [outbox for outbox, _ in flows[name]], batches))
            for core, name in zip(CORES, flows, strict=False)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        for _, inbox in (pair for pairs in flows.values() for pair in pairs):
            numbers = list(received(inbox))
            assert numbers == sorted(numbers)
            assert len(numbers) > PACKETS / 2  # a core that is slow for a while may drop some
        after = carried(net)
    for name, packets in after.items():
        assert all(packets[core] > before[name][core] + PACKETS for core in CORES[:2]), (name, before, after)


def opened(stack: contextlib.ExitStack, source: Node, target: Node) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a new flow of datagrams."""
    with target.enter():
        inbox = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
    with source.enter():
        outbox = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    inbox.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    inbox.bind((str(target.address), 0))
    outbox.connect(inbox.getsockname())
    return outbox, inbox


def send(core: int, outboxes: list[socket.socket], batches: bool) -> None:  # noqa: FBT001
    """Send numbered datagrams into all flows, from one core; with ``batches`` most of them in pieces of ten."""
    os.sched_setaffinity(0, {core})
    number = 0
    while number < PACKETS:
        count = 10 if batches and number % 3 == 1 else 1
        piece = b"".join(NUMBER.pack(number + n) + bytes(96) for n in range(count))
        for outbox in outboxes:
            if batches:
                outbox.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100 if count > 1 else 0)
            outbox.send(piece)
        number += count


def received(inbox: socket.socket) -> Iterator[int]:
    """Yield the numbers of what has arrived."""
    with contextlib.suppress(BlockingIOError):
        while True:
            yield NUMBER.unpack_from(inbox.recv(2048))[0]


def carried(net: Net) -> dict[str, list[int]]:
    """Return how many packets the tunnel of each host has carried, on each CPU."""
    found = {}
    for switch in (net.h1, net.h2):
        with switch.found() as maps:
            tunnel = next(slot for slot, member in Slots(maps).members.items() if member.vni_out)
            found[switch.node.name] = [one.rx_packets + one.tx_packets for one in maps.traffic.get(tunnel)]
    return found


def test_order_of_segments_to_a_vm(bed: Bed) -> None:
    """Large frames of a stream, which take the slow path to a TAP, are not overtaken by the small ones between them."""
    flow = Flow(MAC_X, MAC_Y, IPv4Address("10.0.0.71"), IPv4Address("10.0.0.72"), ip.TCP)
    manner, frames, at = Manner(size=5 * SEGMENT, needs_csum=True), [], 0
    for n in range(4000):
        frames.append(manner.frame(flow, at, bytes(manner.size if n % 4 else SEGMENT)))
        at += manner.size if n % 4 else SEGMENT
    arrived: list[int] = []

    def read() -> None:
        while len(arrived) < len(frames) and (frame := bed.y.read(timeout=3.0)):
            if l4 := payload_of(flow, frame[HEADER.size :]):
                arrived.append(int.from_bytes(l4[4:8], "big"))

    with receiving_on(bed.net.h2.node, 1 << CORES[1]):
        reader = threading.Thread(target=read)
        reader.start()
        everywhere = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {CORES[0]})
        try:
            for frame in frames:
                bed.x.write(frame)
        finally:
            os.sched_setaffinity(0, everywhere)
        reader.join()
    assert arrived == sorted(arrived)
    assert len(arrived) > len(frames) / 2  # a core that is slow for a while may drop some
