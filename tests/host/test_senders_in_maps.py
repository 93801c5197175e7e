# SPDX-License-Identifier: Apache-2.0
"""Who may send, in the kernel's maps: segments with the same senders have one list, there as long as they are."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.board import host_state, open_board
from vxnet.datapath.apply import Datapath
from vxnet.datapath.layout import SENDERS_ANYBODY, SENDERS_NOBODY
from vxnet.datapath.senders import Senders
from vxnet.model import Bfd, HostState, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board
    from vxnet.plan import Change

ONE = ("10.0.0.0/8", "192.0.2.9/32", "::/0", "fd00::5/128")
OTHER = ("192.0.2.9/32",)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A host whose state is another one in each test."""
    with open_board("vxsnd", tmp_path_factory.mktemp("senders")) as board:
        yield board


def of(*senders: tuple[str, ...] | None) -> HostState:
    """Return a state with a segment for each of these senders, and nothing else."""
    segments = (Segment(name=f"s{n}", vni=7000 + n, senders=each) for n, each in enumerate(senders))
    return replace(host_state(), segments=tuple(segments), ports=(), fdb=())


def lists(board: Board) -> Counter[int]:
    """Return how many elements the trie has of each list."""
    return Counter(key.list for key, _ in board.maps.senders.items())


def told(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    """Return what was done to what."""
    return [(change.action, change.kind, change.name) for change in changes]


def taken(board: Board, name: str) -> int:
    """Return the number of the list that a segment has."""
    slot = board.slots.tunnel(name)
    assert slot
    return int(board.slots.members[slot].senders)


def test_the_same_senders_are_one_list(board: Board) -> None:
    """In whatever order they are named. Anybody and nobody need none."""
    board.bring(of(ONE, tuple(reversed(ONE)), None, (), OTHER))
    assert taken(board, "s0") == taken(board, "s1")
    assert lists(board) == {taken(board, "s0"): len(ONE), taken(board, "s4"): len(OTHER)}
    assert taken(board, "s2") == SENDERS_ANYBODY
    assert taken(board, "s3") == SENDERS_NOBODY


def test_a_list_goes_with_the_last_who_has_it(board: Board) -> None:
    """One segment that has others leaves the list to the rest; it goes when the last one has others, or goes."""
    board.bring(of(ONE, ONE, OTHER))
    first, other = taken(board, "s0"), taken(board, "s2")
    board.bring(of(ONE, OTHER, OTHER))
    assert (taken(board, "s0"), taken(board, "s1")) == (first, other)
    assert lists(board) == {first: len(ONE), other: len(OTHER)}
    board.bring(of(None, OTHER, OTHER))
    assert lists(board) == {other: len(OTHER)}
    board.bring(of(None))
    assert lists(board) == {}


def test_a_damaged_list_is_repaired(board: Board) -> None:
    """What is gone of it is missed, and written once more."""
    board.bring(of(ONE, OTHER))
    key = next(key for key, _ in board.maps.senders.items() if key.list == taken(board, "s0"))
    board.maps.senders.remove(key)
    assert told(board.bring(of(ONE, OTHER))) == [("change", "segment", "s0")]
    assert lists(board) == {taken(board, "s0"): len(ONE), taken(board, "s1"): len(OTHER)}


def test_bfd_has_a_list_like_any(board: Board) -> None:
    """It shares one with segments that have the same; with other remotes it has another, and none once it is gone."""
    remotes = (ip_address("192.0.2.9"),)
    board.bring(replace(of(OTHER), bfd=Bfd(remotes=remotes)))
    assert lists(board) == {taken(board, "s0"): 1}
    board.bring(replace(of(OTHER), bfd=Bfd(remotes=(*remotes, ip_address("192.0.2.10")))))
    assert sorted(lists(board).values()) == [1, 2]
    board.bring(of(OTHER))
    assert lists(board) == {taken(board, "s0"): 1}


def test_a_list_that_nobody_has_is_left_over(board: Board) -> None:
    """Who is killed between writing a list and telling a segment of it leaves one, which the next daemon takes away."""
    board.bring(of(OTHER))
    number = Senders(board.maps).write([ONE])[ONE]
    assert number in lists(board)
    with board.host.enter():
        board.datapath = Datapath(board.run_dir)
    assert lists(board) == {taken(board, "s0"): 1}
