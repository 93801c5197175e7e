# SPDX-License-Identifier: Apache-2.0
"""Rule 7 for what the kernel drops by itself: each such frame is counted once, under a reason of its own.

The board is drawn in tests/support/board.py: TAPs for ports and underlay, and the test at their other ends.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.board import LOCAL, REMOTES, UNDERLAY, host_state, open_board
from tests.support.running import by_hand
from tests.support.wire import REMOTE, datagram, outer, packet
from tests.unit.frames import MAC_A, MAC_B, frame, udp_frame
from vxnet.drops import drop_reason
from vxnet.model import FdbEntry
from vxnet.packet import ethernet, udp
from vxnet.packet.mac import BROADCAST, parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board

STATE = host_state("tap0", "tap1", fdb=(FdbEntry(segment="blue", mac=MAC_B, port="tap0"),))
FLOODED = parse_mac(BROADCAST)
OURS = f"{LOCAL}/24"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """One host for all tests of this file."""
    with open_board("vxkdrop", tmp_path_factory.mktemp("kdrop")) as board:
        yield board


@pytest.fixture
def board(shared: Board) -> Board:
    """The host with two ports in a segment that has two remotes; MAC_B is at the first port."""
    shared.bring(STATE)
    shared.hear(0)
    return shared


@contextmanager
def counted(board: Board, **reasons: int) -> Iterator[None]:
    """Assert that what happens in the block is counted so often under these reasons, and under no other."""
    before = board.drops()
    yield
    board.hear(0)
    assert board.drops() - before == Counter({drop_reason(name): frames for name, frames in reasons.items()})


def with_checksum(inner: bytes, *, wrong: bool) -> bytes:
    """Return the packet that carries a frame, with a UDP checksum."""
    raw = bytearray(udp.Udp.parse(datagram(inner)).with_checksum(REMOTE, LOCAL).encode())
    raw[7] ^= 0x5A if wrong else 0
    return packet(bytes(raw))


def to(dst: bytes, inner: bytes) -> bytes:
    """Return the frame for another destination."""
    return dst + inner[6:]


# ---- received ----


@pytest.mark.parametrize("dst", [FLOODED, parse_mac(MAC_B)], ids=["bum", "known"])
@pytest.mark.parametrize("size", [14, 42, 59, 60, 61, 100, 1400])
def test_wrong_udp_checksum(board: Board, size: int, dst: bytes) -> None:
    """A wrong checksum is counted, whatever the size: short datagrams the kernel refuses at another place."""
    inner = to(dst, frame(MAC_A, MAC_B, size=size))
    with counted(board, BAD_CHECKSUM=1):
        board.from_underlay(with_checksum(inner, wrong=True))
    with counted(board):
        board.from_underlay(with_checksum(inner, wrong=False))


@pytest.mark.parametrize("dst", [FLOODED, parse_mac(MAC_B)], ids=["bum", "known"])
@pytest.mark.parametrize("size", [14, 20, 33])
def test_frame_that_ends_inside_its_ip_header(board: Board, size: int, dst: bytes) -> None:
    """The VXLAN device refuses it, for a known destination as for all."""
    with counted(board, INNER_TRUNCATED=1):
        board.from_underlay(outer(to(dst, udp_frame())[:size]))


@pytest.mark.parametrize("tpid", [ethernet.DOT1Q, ethernet.DOT1AD])
@pytest.mark.parametrize("size", range(14, 22))
def test_frame_that_ends_inside_its_vlan_tag(board: Board, size: int, tpid: int) -> None:
    """Taking the tag off, the kernel drops the frame and counts it nowhere: so it does not get to see it."""
    tagged = ethernet.put_tag(frame(MAC_A, MAC_B), ethernet.VlanTag(vid=7, tpid=tpid))
    reason = "INNER_TRUNCATED" if size < ethernet.HEADER_LENGTH + 6 else "VLAN_TAG"
    with counted(board, **{reason: 1}):
        board.from_underlay(outer(tagged[:size]))


@pytest.mark.parametrize("dst", [FLOODED, parse_mac(MAC_B)], ids=["bum", "known"])
def test_mark_that_a_frame_cannot_carry(board: Board, dst: bytes) -> None:
    """RFC 6040, section 4.2: CE outside and Not-ECT inside."""
    with counted(board, CONGESTION_MARK=1):
        board.from_underlay(outer(to(dst, udp_frame()), tos=3))


def test_reserved_bits_in_fragments(board: Board) -> None:
    """No program sees the header of a packet that comes in fragments, and the kernel refuses bits it does not know."""
    whole = bytearray(datagram(frame(MAC_A, BROADCAST, size=200)))
    whole[8] = 0xFF
    with counted(board, CONGESTION_MARK=1):
        board.from_underlay(packet(bytes(whole[:80]), identification=7, more_fragments=True))
        board.from_underlay(packet(bytes(whole[80:]), identification=7, offset=10))


# ---- sent ----


@pytest.mark.parametrize("kind", ["unreachable", "blackhole", "prohibit"])
def test_no_route_to_a_remote(board: Board, kind: str) -> None:
    """Each copy that the kernel finds no route for is counted; the other copies go their way."""
    route = f"{kind} {REMOTES[0]}/32"
    with by_hand(board.host, f"route add {route}", undo=(f"route del {route}",)):
        with counted(board, KERNEL_SEND=1):
            board.from_port("tap1", frame(MAC_A, BROADCAST))
        board.from_underlay(outer(frame("02:00:00:00:00:77", BROADCAST)))
        with counted(board, KERNEL_SEND=1):
            board.from_port("tap1", to(parse_mac("02:00:00:00:00:77"), udp_frame()))


def test_smaller_mtu_on_the_way(board: Board) -> None:
    """A copy that fits the underlay device but not the route, and must not be fragmented."""
    route = f"{REMOTES[0]}/32 dev {UNDERLAY}"
    smaller = by_hand(board.host, f"route add {route} mtu 600", undo=(f"route del {route}",))
    with smaller, counted(board, KERNEL_SEND=1):
        board.from_port("tap1", frame(MAC_A, BROADCAST, size=1000))


def test_counts_outlive_the_vxlan_device(board: Board) -> None:
    """When the VTEP's address moves to another device, the VXLAN device is made anew; what it counted stays counted."""
    with counted(board, CONGESTION_MARK=1, BAD_CHECKSUM=1):
        board.from_underlay(outer(udp_frame(), tos=3))
        board.from_underlay(with_checksum(frame(MAC_A, BROADCAST, size=100), wrong=True))
        moved = (f"address del {OURS} dev {UNDERLAY}", f"address add {OURS} dev tap3")
        with by_hand(board.host, *moved, undo=()):
            board.bring(STATE)
        back = (f"address del {OURS} dev tap3", f"address add {OURS} dev {UNDERLAY}")
        with by_hand(board.host, *back, undo=()):
            board.bring(STATE)
