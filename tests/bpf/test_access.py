# SPDX-License-Identifier: Apache-2.0
"""What vxnet_access does with single frames: drops with a reason, or wraps."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.board import BLUE, LOCAL, REMOTES, UNDERLAY, UNDERLAY_MAC, host_state, next_hop_mac, open_board
from tests.support.trial import REDIRECT, SHOT, UNSPEC, Trial, trial
from tests.unit.frames import GROUP_MAC, MAC_A, MAC_B, MAC_C, frame, udp_frame
from vxnet.datapath.kernel import ACCESS
from vxnet.drops import drop_reason
from vxnet.model import FdbEntry
from vxnet.packet import ethernet, ip, vxlan
from vxnet.packet.mac import BROADCAST, ZERO, parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board

HERE, THERE = "02:00:00:00:00:11", "02:00:00:00:00:22"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """MAC_B is behind the first remote, MAC_C at tap1, and HERE at tap0."""
    fdb = (
        FdbEntry(segment=BLUE.name, mac=MAC_B, remote=REMOTES[0]),
        FdbEntry(segment=BLUE.name, mac=MAC_C, port="tap1"),
        FdbEntry(segment=BLUE.name, mac=HERE, port="tap0"),
    )
    with open_board("vxbpf", tmp_path_factory.mktemp("bpf")) as board:
        board.bring(host_state("tap0", "tap1", fdb=fdb))
        yield board


def run(board: Board, packet: bytes, device: str = "tap0") -> Trial:
    """Let the program look at a frame that a port has sent."""
    return trial(board, ACCESS, packet, device)


def assert_dropped(seen: Trial, reason: str) -> None:
    """Assert that the frame was dropped and counted under ``reason``, once, and under no other."""
    assert (seen.action, seen.drops) == (SHOT, Counter([drop_reason(reason)]))


def tenant(dst: str, size: int) -> bytes:
    """Return an IPv4 frame of ``size`` bytes from MAC_A."""
    return parse_mac(dst) + udp_frame(payload=bytes(size - 42))[6:]


def test_known_remote_is_wrapped(board: Board) -> None:
    """The first frame of a flow and every other leave with the headers that the reference switch writes."""
    inner = udp_frame()
    packet = vxlan.encapsulate(inner, vni=BLUE.vni, src=LOCAL, dst=REMOTES[0])
    wrapped = vxlan.onto_ethernet(packet, src_mac=UNDERLAY_MAC, dst_mac=next_hop_mac(REMOTES[0]))
    for _ in range(3):
        seen = run(board, inner)
        assert (seen.action, seen.packet, seen.drops) == (REDIRECT, wrapped, Counter())


def test_known_port_is_handed_over(board: Board) -> None:
    """A frame between two ports is not changed."""
    inner = tenant(MAC_C, 80)
    for _ in range(3):
        seen = run(board, inner)
        assert (seen.action, seen.packet, seen.drops) == (REDIRECT, inner, Counter())


@pytest.mark.parametrize("src", [ZERO, BROADCAST, GROUP_MAC])
def test_bad_source(board: Board, src: str) -> None:
    """Rule 2: zero and group sources are dropped."""
    assert_dropped(run(board, frame(src, MAC_B)), "BAD_SOURCE")


def test_same_port(board: Board) -> None:
    """A frame for who is at the port it came from goes nowhere."""
    assert_dropped(run(board, tenant(HERE, 60)), "SAME_PORT")


def test_no_port(board: Board) -> None:
    """What comes from a device that is no port (any more) is none of the switch's business."""
    for device in ("tap2", UNDERLAY):
        seen = run(board, udp_frame(), device)
        assert (seen.action, seen.packet, seen.drops) == (UNSPEC, udp_frame(), Counter())


@pytest.mark.parametrize("dst", [MAC_B, BROADCAST])
def test_too_big(board: Board, dst: str) -> None:
    """A VTEP never fragments: what does not fit the underlay's 1500 bytes is dropped, to the byte."""
    largest = 1500 - vxlan.overhead(REMOTES[0])
    assert not run(board, tenant(MAC_B, largest)).drops
    seen = run(board, tenant(dst, largest + 1))
    assert (seen.action, seen.drops) == (SHOT, Counter([drop_reason("TOO_BIG")]))


@pytest.mark.parametrize("tpid", [ethernet.DOT1Q, ethernet.DOT1AD])
def test_tag_in_tag(board: Board, tpid: int) -> None:
    """RFC 7348, section 6.1: a tag that is still in the frame is not sent on (the kernel has taken a first one off)."""
    outer, inner = ethernet.VlanTag(vid=7, tpid=tpid), ethernet.VlanTag(vid=8)
    assert_dropped(run(board, frame(MAC_A, MAC_B, tags=(outer, inner))), "VLAN_TAG")


@pytest.mark.parametrize("ethertype", [ethernet.IPV4, ethernet.IPV6])
@pytest.mark.parametrize("payload", range(12))
def test_any_size(board: Board, ethertype: int, payload: int) -> None:
    """However little is behind its IP header, a frame is wrapped, and never read beyond its end."""
    head = ethernet.Ethernet(dst=MAC_B, src=MAC_A, ethertype=ethertype).encode()
    first, protocol_at, length = {
        ethernet.IPV4: (b"\x45", 9, ip.IPV4_HEADER_LENGTH),
        ethernet.IPV6: (b"\x60", 6, ip.IPV6_HEADER_LENGTH),
    }[ethertype]
    header = bytearray(first.ljust(length, b"\0"))
    header[protocol_at] = ip.UDP
    inner = head + bytes(header) + bytes(range(1, payload + 1))
    packet = vxlan.encapsulate(inner, vni=BLUE.vni, src=LOCAL, dst=REMOTES[0])
    seen = run(board, inner)
    assert (seen.action, seen.drops) == (REDIRECT, Counter())
    assert seen.packet == vxlan.onto_ethernet(packet, src_mac=UNDERLAY_MAC, dst_mac=next_hop_mac(REMOTES[0]))
