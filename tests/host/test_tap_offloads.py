# SPDX-License-Identifier: Apache-2.0
"""VMs' devices: whatever one leaves to others and whatever another can do, all bytes arrive, with right checksums.

x --[ h1 ] eth0 ------------- eth0 [ h2 ]-- y         x, y, z: TAPs with virtio headers, the test at their other ends
z ----'
"""

from __future__ import annotations

import itertools
import random
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.kernels import release
from tests.support.labs import H1, H1_6, H2, H2_6
from tests.support.virtio import SEGMENT, Flow, Manner, payload_of, right, segments
from tests.support.vteps import Switch
from vxnet.lab import Lab
from vxnet.lab.tap import TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO_ECN, TUN_F_USO4, TUN_F_USO6
from vxnet.model import FdbEntry, HostState, Port, Segment, Vtep
from vxnet.packet import ip
from vxnet.packet.outer import read_outer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.lab import Node, Tap
    from vxnet.model import IPAddress

ETH_P_ALL = 3
"""linux/if_ether.h"""
SO_RCVBUFFORCE = 33
"""asm-generic/socket.h"""

MACS = {name: f"02:00:0a:00:00:0{number}" for number, name in enumerate("xyz", 1)}
ADDRESSES: dict[int, dict[str, IPAddress]] = {
    4: {name: IPv4Address(f"10.0.0.{number}") for number, name in enumerate("xyz", 1)},
    6: {name: IPv6Address(f"fd00::{number}") for number, name in enumerate("xyz", 1)},
}

USO = TUN_F_USO4 | TUN_F_USO6
_TSO = (TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO4 | TUN_F_TSO6)
_WITH_CSUM = [0, *_TSO, *(tso | TUN_F_TSO_ECN for tso in _TSO)]
_USOS = (0, USO) if release() >= (6, 2) else (0,)
OFFLOADS = [0, *(TUN_F_CSUM | tso | uso for tso, uso in itertools.product(_WITH_CSUM, _USOS))]
"""All that a TAP can offer: segments need checksums, ECN needs one of TCP's, and UDP has both families or none."""

LARGEST = 65535 - 40 - 20
"""Bytes of TCP payload that a packet has room for; there is none for the outer headers then."""

MANNERS = {
    "finished": Manner(),
    "checksums-left": Manner(needs_csum=True),
    "gso": Manner(size=20 * SEGMENT + 77, needs_csum=True),
    "gso-largest": Manner(size=LARGEST, needs_csum=True),
    "gso-ecn": Manner(size=20 * SEGMENT + 77, needs_csum=True, ecn=True),
}
DATA = random.Random(7348).randbytes(LARGEST + 4321)


class Net(NamedTuple):
    """The lab drawn above, up, its TAPs by name."""

    h1: Node
    h2: Node
    taps: dict[str, Tap]


@pytest.fixture(scope="module", params=["ipv4", "ipv4-udpcsum", "ipv6", "ipv6-udpcsum"])
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Build it, over each kind of outer packet; who is where is known from the beginning."""
    family, _, checksum = request.param.partition("-")
    ends: tuple[IPAddress, IPAddress] = (H1_6, H2_6) if family == "ipv6" else (H1, H2)
    folder = tmp_path_factory.mktemp("tapoff")
    places = {"x": 0, "y": 1, "z": 0}
    with Lab.unique("vxtap") as lab:
        hosts = [
            lab.host(name, f"{end}/{64 if family == 'ipv6' else 24}")
            for name, end in zip(("h1", "h2"), ends, strict=True)
        ]
        lab.link(*hosts)
        taps = {name: hosts[place].tap(name, mtu=1430, vnet_header=True) for name, place in places.items()}
        switches = [Switch(host, folder) for host in hosts]
        for here, switch in enumerate(switches):
            there = 1 - here
            segment = Segment(name="blue", vni=5001, remotes=(ends[there],), csum=bool(checksum))
            fdb = [
                FdbEntry(segment="blue", mac=MACS[name], port=name)
                if place == here
                else FdbEntry(segment="blue", mac=MACS[name], remote=ends[there])
                for name, place in places.items()
            ]
            ports = [Port(device=name, segment="blue") for name, place in places.items() if place == here]
            switch.become(
                HostState(vtep=Vtep(local=ends[here]), segments=(segment,), ports=tuple(ports), fdb=tuple(fdb))
            )
        assert hosts[0].ping(hosts[1])
        yield Net(hosts[0], hosts[1], taps)
        for switch in switches:
            switch.take_down()


def flow_between(way: str, version: int, protocol: int) -> Flow:
    """Return the flow from the first VM of ``way`` to the second."""
    ends = ADDRESSES[version]
    return Flow(MACS[way[0]], MACS[way[1]], ends[way[0]], ends[way[1]], protocol)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("way", ["xy", "yx", "xz"])
def test_every_offload(net: Net, way: str, manner: str) -> None:
    """To the other host and back and on the same host, TCP and UDP, IPv4 and IPv6, to a device of every kind."""
    source, target = net.taps[way[0]], net.taps[way[1]]
    for version, protocol in itertools.product((4, 6), (ip.TCP, ip.UDP)):
        flow = flow_between(way, version, protocol)
        frames = list(MANNERS[manner].frames(flow, DATA))
        if not_made(manner, protocol):
            continue
        for offloads in OFFLOADS:
            target.take(offloads)
            for frame in frames:
                source.write(frame)
            assert arrived(target, flow, offloads) == DATA, (version, protocol, offloads)


def not_made(manner: str, protocol: int) -> bool:
    """Tell whether there are no such frames of UDP: they have no ECN, and the kernel takes none to be cut of old."""
    return protocol == ip.UDP and (MANNERS[manner].ecn or (MANNERS[manner].size > SEGMENT and len(_USOS) == 1))


def arrived(tap: Tap, flow: Flow, offloads: int) -> bytes:
    """Return the bytes that arrive: TCP's by their sequence numbers, UDP's as they come, until all are there."""
    found: dict[int, bytes] = {}
    length = 0
    while length < len(DATA):
        frame = tap.read(timeout=3.0)
        assert frame, f"{length} of {len(DATA)} bytes arrived"
        for number, payload in segments(flow, frame, offloads) or ():
            assert len(payload) <= SEGMENT
            place = number if flow.protocol == ip.TCP else length
            assert place not in found
            found[place] = payload
            length += len(payload)
    return b"".join(found[place] for place in sorted(found))


@pytest.mark.parametrize("manner", MANNERS)
def test_checksums_on_the_wire(net: Net, manner: str) -> None:
    """Where the underlay's device can nothing, all is finished before it: segments that fit, and no wrong checksum."""
    net.taps["y"].take(TUN_F_CSUM)
    net.h1.run("ethtool -K eth0 tx off tso off gso off")
    try:
        for version, protocol in itertools.product((4, 6), (ip.TCP, ip.UDP)):
            if not not_made(manner, protocol):
                flow = flow_between("xy", version, protocol)
                with listening(net.h2) as wire:
                    for frame in MANNERS[manner].frames(flow, DATA):
                        net.taps["x"].write(frame)
                    assert on_the_wire(wire, flow) == len(DATA)
                assert arrived(net.taps["y"], flow, TUN_F_CSUM) == DATA
    finally:
        net.h1.run("ethtool -K eth0 tx on tso on gso on")


def listening(node: Node) -> socket.socket:
    """Return a socket that sees what comes to a host."""
    with node.enter():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    wire.bind(("eth0", ETH_P_ALL))
    wire.settimeout(3)
    return wire


def on_the_wire(wire: socket.socket, flow: Flow) -> int:
    """Return how many bytes of payload come by, once it is as many as were sent."""
    length = 0
    while length < len(DATA):
        packet = wire.recv(1 << 17)
        outer = read_outer(packet)
        if outer and outer.well_formed and (l4 := payload_of(flow, outer.frame)):
            assert len(packet) <= 14 + 1500
            assert not outer.bad_checksum
            assert right(flow, l4)
            length += len(l4) - (20 if flow.protocol == ip.TCP else 8)
    return length
