# SPDX-License-Identifier: Apache-2.0
"""Port security and neighbours in the kernel's maps: what is asked for is there, read back, and goes with its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.support.board import BLUE, GREEN, host_state, open_board
from tests.unit.frames import MAC_A, MAC_B
from vxnet.model import HostState, Neighbour, Port, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board
    from vxnet.plan import Change

PREFIXES = ("10.0.0.5/32", "10.0.0.0/8", "0.0.0.0/0", "fd00::5/128", "fd00::/64", "::/0")
NEIGHBOURS = (
    Neighbour(segment=BLUE.name, address="10.0.0.1", mac=MAC_A),
    Neighbour(segment=BLUE.name, address="fd00::1", mac=MAC_A),
    Neighbour(segment=GREEN.name, address="10.0.0.1", mac=MAC_B),
)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A host whose state is another one in each test."""
    with open_board("vxsrc", tmp_path_factory.mktemp("sources")) as board:
        yield board


def secured(sources: tuple[Source, ...] | None, *more: Port) -> HostState:
    """Return a state with tap0 in a segment, and what may leave it."""
    return replace(host_state(), ports=(Port(device="tap0", segment=BLUE.name, sources=sources), *more))


def elements(board: Board) -> int:
    """Return how many elements the trie has."""
    return sum(1 for _ in board.maps.sources.items())


def told(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    """Return what was done to what."""
    return [(change.action, change.kind, change.name) for change in changes]


def test_sources_are_read_back(board: Board) -> None:
    """`Board.bring` finds nothing left to be changed: any prefix, any MAC alone, both, and none at all."""
    some = (Source(MAC_A), *(Source(MAC_A, prefix) for prefix in PREFIXES))
    for sources in (None, (), some[:1], some[1:], some, (*some, *(Source(MAC_B, prefix) for prefix in PREFIXES)), None):
        board.bring(secured(sources))


def test_sources_change_in_place(board: Board) -> None:
    """What changes is the port's settings alone, and no element of the trie outlives its source."""
    board.bring(secured((Source(MAC_A, PREFIXES[0]),)))
    assert elements(board) == 2
    assert told(board.bring(secured((Source(MAC_A), Source(MAC_B))))) == [("change", "port", "tap0")]
    assert elements(board) == 2
    assert told(board.bring(secured(None))) == [("change", "port", "tap0")]
    assert elements(board) == 0


def test_sources_go_with_their_port(board: Board) -> None:
    """Whoever gets the member's slot next inherits nothing."""
    board.bring(secured((Source(MAC_A),)))
    board.bring(replace(host_state(), ports=(Port(device="tap1", segment=BLUE.name, sources=(Source(MAC_B),)),)))
    assert elements(board) == 1
    board.bring(host_state("tap0"))
    assert elements(board) == 0


def test_neighbours_are_read_back_and_changed_in_place(board: Board) -> None:
    """Each is one entry of its segment; another MAC is written over the first."""
    assert [change.kind for change in board.bring(host_state("tap0", neighbours=NEIGHBOURS))][-3:] == ["neighbour"] * 3
    moved = replace(NEIGHBOURS[0], mac=MAC_B)
    changes = board.bring(host_state("tap0", neighbours=(moved, *NEIGHBOURS[1:])))
    assert told(changes) == [("change", "neighbour", f"{BLUE.name} 10.0.0.1")]
    assert told(board.bring(host_state("tap0", neighbours=NEIGHBOURS[1:]))) == [
        ("remove", "neighbour", f"{BLUE.name} 10.0.0.1")
    ]


def test_neighbours_go_with_their_segment(board: Board) -> None:
    """A segment that gets the slot of another has none of its neighbours, even if these were left behind."""
    board.bring(host_state("tap0", segments=(BLUE, GREEN), neighbours=NEIGHBOURS))
    parts = board.datapath._parts
    assert parts is not None
    slot = parts.slots.domain_of(GREEN.name)
    assert slot is not None
    parts.slots.free_domain(slot)
    parts.clean_up()
    assert {key.domain for key, _ in board.maps.neighbours.items()} == {parts.slots.domain_of(BLUE.name)}
    board.bring(host_state("tap0", segments=(BLUE,)))
    assert not list(board.maps.neighbours.items())
