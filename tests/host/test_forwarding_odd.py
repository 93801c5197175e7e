# SPDX-License-Identifier: Apache-2.0
"""Packets and states that are rare, each of them sent through the kernel's switch and the reference switch alike.

The board is drawn in tests/support/board.py: TAPs for ports and underlay, and the test at their other ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.board import BLUE, GREEN, PORTS, REMOTES, host_state, open_board
from tests.support.tenant_frames import mac
from tests.support.twins import Twins
from tests.support.wire import datagram, outer, packet
from tests.unit.frames import MAC_A, MAC_B, frame, udp_frame
from vxnet.model import FdbEntry, Port, Segment
from vxnet.packet.mac import BROADCAST, parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board

MACS = [mac(0, number) for number in range(4)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """One host for all tests of this file."""
    with open_board("vxodd", tmp_path_factory.mktemp("odd")) as board:
        yield board


@pytest.fixture
def board(shared: Board) -> Board:
    """The host with a VTEP and nothing else."""
    shared.bring(host_state(segments=()))
    shared.hear(0)
    return shared


@pytest.fixture
def flooding(board: Board) -> Board:
    """The board with two ports in segment blue."""
    board.bring(host_state("tap0", "tap1"))
    return board


SENT = frame(MACS[0], BROADCAST, size=200)


def test_fragments_arrive_as_one(flooding: Board) -> None:
    """The outer packet may come in fragments (RFC 7348, section 4.3: discouraged): the kernel puts them together."""
    whole, before = datagram(SENT), flooding.drops()
    for order in (0, 1):
        halves = [
            packet(whole[:80], identification=7 + order, more_fragments=True),
            packet(whole[80:], identification=7 + order, offset=10),
        ]
        flooding.from_underlay(halves[order])
        assert flooding.hear(0).count == 0
        flooding.from_underlay(halves[1 - order])
        assert flooding.hear(2).copies == {("tap0", SENT): 1, ("tap1", SENT): 1}
    assert flooding.drops() == before


def test_ip_options_are_taken(flooding: Board) -> None:
    """A packet with IP options is as good as one without, once the kernel has read them."""
    flooding.from_underlay(outer(SENT, options=b"\1" * 8))
    assert flooding.hear(2).copies == {("tap0", SENT): 1, ("tap1", SENT): 1}


@pytest.mark.parametrize("to", ["ff:ff:ff:ff:ff:ff", "01:00:5e:7f:00:01"])
def test_outer_frame_to_everybody(flooding: Board, to: str) -> None:
    """A packet to our IP address in a frame to a group of hosts is ours all the same."""
    sent = outer(SENT)
    flooding.from_underlay(parse_mac(to) + sent[6:])
    assert flooding.hear(2).copies == {("tap0", SENT): 1, ("tap1", SENT): 1}


def test_outer_frame_to_somebody_else(flooding: Board) -> None:
    """A packet to our IP address in a frame to another host is not ours."""
    sent, before = outer(SENT), flooding.drops()
    flooding.from_underlay(b"\x06" + sent[1:])
    assert flooding.hear(0).count == 0
    assert flooding.drops() == before


# ---- states ----


def test_a_slot_that_is_given_to_another_segment_is_empty(board: Board) -> None:
    """What one segment has learned is nothing to the one that comes in its place, in one step of the plan."""
    twins = Twins(board, host_state("tap0", "tap1"), 0)
    twins.from_port("tap0", frame(MACS[0], BROADCAST))
    twins.from_underlay(outer(frame(MACS[1], BROADCAST)))
    purple = Segment(name="purple", vni=4242, remotes=REMOTES[:1])
    twins.become(host_state("tap0", "tap1", segments=(purple,)))
    twins.from_port("tap1", frame(MACS[2], MACS[0]))
    twins.from_port("tap1", frame(MACS[2], MACS[1]))
    twins.compare_reports()


def test_a_port_that_changes_its_segment(board: Board) -> None:
    """Its MACs are forgotten in the one, and learned in the other."""
    twins = Twins(board, host_state("tap0", "tap1"), 0)
    twins.from_port("tap0", frame(MACS[0], BROADCAST))
    moved = host_state("tap1")
    twins.become(replace(moved, ports=(*moved.ports, Port(device="tap0", segment=GREEN.name))))
    twins.from_port("tap1", frame(MACS[1], MACS[0]))
    twins.from_port("tap0", frame(MACS[0], MACS[1]))
    twins.compare_reports()


def test_static_in_the_place_of_learned_gives_the_share_back(board: Board) -> None:
    """An entry that becomes static is no longer among those its port has taught, so the port may teach another."""
    narrow = Segment(name="narrow", vni=77, maxaddress=1)
    twins = Twins(board, host_state("tap0", "tap1", segments=(narrow,)), 0)
    twins.from_port("tap0", frame(MACS[0], BROADCAST))
    twins.from_port("tap0", frame(MACS[1], BROADCAST))
    static = FdbEntry(segment="narrow", mac=MACS[0], port="tap0")
    twins.become(host_state("tap0", "tap1", segments=(narrow,), fdb=(static,)))
    twins.from_port("tap0", frame(MACS[1], BROADCAST))
    twins.from_port("tap0", frame(MACS[2], BROADCAST))
    twins.compare_reports()
    assert board.overview().segments[0].ports[0].traffic.unlearned == 2


def test_a_moved_mac_gives_the_share_back(board: Board) -> None:
    """Rule 5: a MAC counts for the place where it is now."""
    narrow = Segment(name="narrow", vni=77, maxaddress=1)
    twins = Twins(board, host_state("tap0", "tap1", segments=(narrow,)), 0)
    twins.from_port("tap0", frame(MACS[0], BROADCAST))
    twins.from_port("tap1", frame(MACS[0], BROADCAST))
    twins.from_port("tap1", frame(MACS[1], BROADCAST))
    twins.from_port("tap0", frame(MACS[1], BROADCAST))
    twins.compare_reports()


def test_the_same_machine_behind_several_remotes(board: Board) -> None:
    """Each remote of a segment has its own share, and a machine is behind the one that spoke for it last."""
    twins = Twins(board, host_state("tap0", segments=(Segment(name="wide", vni=10, maxaddress=1),)), 0)
    for remote in REMOTES:
        twins.from_underlay(outer(frame(MACS[0], BROADCAST), src=remote))
        twins.from_underlay(outer(frame(MACS[1], BROADCAST), src=remote))
        twins.from_port("tap0", frame(MACS[2], MACS[0]))
    twins.compare_reports()


def test_a_move_that_is_not_learned_is_none(board: Board) -> None:
    """Rule 12: what `maxaddress` refuses is not counted; a flow's later frames do not ask whether it would be."""
    narrow = replace(BLUE, maxaddress=2)
    twins = Twins(board, host_state(*PORTS, segments=(narrow,)), 0)
    for other in MACS[:2]:
        twins.from_port("tap1", frame(other, BROADCAST))
    twins.from_port("tap3", frame(MAC_B, BROADCAST))
    for device in ("tap0", *["tap1"] * 9):
        twins.from_port(device, udp_frame())
    for device in ("tap2", "tap0", "tap2"):
        twins.from_port(device, frame(MAC_A, BROADCAST))
    twins.compare_reports()
