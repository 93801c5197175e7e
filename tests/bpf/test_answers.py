# SPDX-License-Identifier: Apache-2.0
"""What vxnet_access makes of questions for neighbours: answers that are scapy's to the byte (rule 9)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.board import BLUE, GREEN, host_state, open_board
from tests.support.questions import ANSWERED, FLOODED, MACS, UNICAST
from tests.support.trial import REDIRECT, SHOT, trial
from vxnet.datapath.kernel import ACCESS
from vxnet.model import Neighbour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.board import Board


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Two ports in a segment that has neighbours."""
    neighbours = tuple(Neighbour(segment=BLUE.name, address=address, mac=mac) for address, mac in MACS.items())
    with open_board("vxans", tmp_path_factory.mktemp("answers")) as board:
        board.bring(host_state("tap0", "tap1", segments=(BLUE, GREEN), neighbours=neighbours))
        yield board


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(board: Board, name: str) -> None:
    """The frame becomes its answer, of the answer's length, and goes back; nobody else gets a copy."""
    question, answer = ANSWERED[name]
    board.hear(0)
    seen = trial(board, ACCESS, question, "tap0")
    assert (seen.action, seen.packet.hex(), seen.drops) == (REDIRECT, answer.hex(), Counter())
    assert not board.hear(0).count


@pytest.mark.parametrize("name", ANSWERED)
def test_answered_on_a_real_device(board: Board, name: str) -> None:
    """The port that has asked hears the answer, and no other does."""
    question, answer = ANSWERED[name]
    board.hear(0)
    board.from_port("tap0", question)
    heard = board.hear(1)
    assert (heard.copies, heard.packets) == (Counter([("tap0", answer)]), [])


@pytest.mark.parametrize("name", [*FLOODED, *UNICAST])
def test_flooded_as_ever(board: Board, name: str) -> None:
    """What is not answered goes to the other port, unchanged, and to the remotes."""
    question = FLOODED.get(name) or UNICAST[name]
    board.hear(0)
    seen = trial(board, ACCESS, question, "tap0")
    assert (seen.action, seen.packet) == (SHOT, question)
    board.from_port("tap0", question)
    assert board.hear(3).copies["tap1", question] >= 1
