# SPDX-License-Identifier: Apache-2.0
"""What vxnet_access makes of packets too large for the path: errors, scapy's to the byte, or nothing (rule 10)."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import pytest
from scapy.layers.inet import UDP

from tests.support.board import BLUE, LOCAL, REMOTES, host_state, open_board
from tests.support.oversize import TOLD, UNTOLD, v4, v4_error, v6, v6_error
from tests.support.questions import ASKER, OTHER, OWNER
from tests.support.trial import REDIRECT, SHOT, trial
from tests.support.wire import outer
from tests.unit.frames import frame
from vxnet.datapath.kernel import ACCESS
from vxnet.drops import drop_reason
from vxnet.model import Bridge, FdbEntry, HostState, Port, Tunnel, Vlans
from vxnet.packet.ethernet import VlanTag, put_tag
from vxnet.packet.mac import parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board

DROPPED = Counter([drop_reason("TOO_BIG")])


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """The owner is behind the first remote."""
    fdb = (FdbEntry(segment=BLUE.name, mac=OWNER, remote=REMOTES[0]),)
    with open_board("vxbig", tmp_path_factory.mktemp("toobig")) as board:
        board.bring(host_state("tap0", "tap1", fdb=fdb))
        yield board


@pytest.mark.parametrize("name", TOLD)
def test_told(board: Board, name: str) -> None:
    """The frame becomes the error, of the error's length, goes back, and counts as dropped once."""
    packet, error = TOLD[name]
    seen = trial(board, ACCESS, packet, "tap0")
    assert (seen.action, seen.packet.hex(), seen.drops) == (REDIRECT, error.hex(), DROPPED)


@pytest.mark.parametrize("name", TOLD)
def test_told_on_a_real_device(board: Board, name: str) -> None:
    """The port that has sent the packet hears the error; nobody else hears of either."""
    packet, error = TOLD[name]
    board.hear(0)
    board.from_port("tap0", packet)
    heard = board.hear(1)
    assert (heard.copies, heard.packets) == (Counter([("tap0", error)]), [])


@pytest.mark.parametrize("name", UNTOLD)
def test_untold(board: Board, name: str) -> None:
    """What no error may be sent about is dropped, and counted all the same."""
    seen = trial(board, ACCESS, UNTOLD[name], "tap0")
    assert (seen.action, seen.drops) == (SHOT, DROPPED)


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_routes_mtu(board: Board, family: str, least: int) -> None:
    """A smaller MTU on the route counts as well, down to IPv6's least; the kernel's VXLAN device is not asked."""
    told = {"ipv4": 552, "ipv6": 1280}[family] + least
    board.host.ip("route", "add", str(REMOTES[0]), "dev", "under", "mtu", "lock", str(told + 50))
    board.datapath.touch()
    try:
        packet, error = (v4(UDP()), v4_error) if family == "ipv4" else (v6(UDP()), v6_error)
        seen = trial(board, ACCESS, packet, "tap0")
        assert (seen.action, seen.packet.hex(), seen.drops) == (REDIRECT, error(packet, told).hex(), DROPPED)
        fitting = v4(UDP(), size=told) if family == "ipv4" else v6(UDP(), size=told)
        assert not trial(board, ACCESS, fitting, "tap0").drops
    finally:
        board.host.ip("route", "del", str(REMOTES[0]), "dev", "under")
        board.datapath.touch()


def test_limited(board: Board) -> None:
    """A port is told a hundred times at once and a thousand times a second, by each CPU: the rest are only dropped."""
    packet, _ = TOLD["ipv4-udp"]
    before, began = told_so_far(board, "tap1"), time.monotonic()
    for _ in range(3000):
        board.from_port("tap1", packet)
    passed, told = time.monotonic() - began, told_so_far(board, "tap1") - before
    board.hear(told)
    cpus = os.cpu_count() or 1
    # A tick of the coarse clock is 10 ms at most.
    assert 100 < told <= cpus * (101 + 1000 * (passed + 0.01))


def told_so_far(board: Board, device: str) -> int:
    """Return how many frames a port has got."""
    ports = (port for segment in board.overview().segments for port in segment.ports)
    return next(port.traffic.tx_packets for port in ports if port.device == device)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """The owner is behind a tunnel of a bridge; somebody else behind one that may fragment."""
    vlans = Vlans(mode="access", tag=0)
    vx0 = Tunnel(name="vx0", bridge="br0", vni=5, vni_out=5, remote=REMOTES[0], local=LOCAL, vlans=vlans)
    tunnels = (vx0, msgspec.structs.replace(vx0, name="vx1", vni=6, vni_out=6, df=False))
    port = Port(device="tap0", segment="br0")
    with open_board("vxbigb", tmp_path_factory.mktemp("bridge")) as board:
        board.bring(HostState(bridges=(Bridge(name="br0"),), tunnels=tunnels, ports=(port,)))
        for mac, vni in ((OWNER, 5), (OTHER, 6)):
            board.from_underlay(outer(frame(mac, ASKER), vni=vni))
        board.hear(2)
        yield board


def test_in_a_bridge(bridge: Board) -> None:
    """A bridge's tunnel has the MTU of the route, and the error comes back with the tag that the packet came with."""
    packet, error = TOLD["ipv4-tcp"]
    tag = VlanTag(vid=0, pcp=3)
    bridge.from_port("tap0", put_tag(packet, tag))
    heard = bridge.hear(1)
    assert (heard.copies, heard.packets) == (Counter([("tap0", put_tag(error, tag))]), [])


def test_a_tunnel_that_may_fragment(bridge: Board) -> None:
    """Without DF inside and outside, the kernel's VXLAN device sends the packet, in two pieces."""
    packet = UNTOLD["ipv4-may-be-fragmented"]
    bridge.from_port("tap0", parse_mac(OTHER) + packet[6:])
    heard = bridge.hear(2)
    assert (heard.copies, [len(piece) for piece in heard.packets]) == (Counter(), [1514, 35])
