# SPDX-License-Identifier: Apache-2.0
"""Single runs of the programs on packets that were never sent (BPF_PROG_TEST_RUN): action, packet afterwards, drops."""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from vxnet.datapath.libbpf import testrun
from vxnet.drops import DropReason

if TYPE_CHECKING:
    from tests.support.board import Board

UNSPEC, OK, SHOT, REDIRECT = 0xFFFFFFFF, 0, 2, 7
"""Actions of linux/pkt_cls.h. UNSPEC: as if the program were not there."""

CONTEXT = struct.Struct("=40xI")
"""The beginning of struct __sk_buff (linux/bpf.h), up to the number of the device."""


class Trial(msgspec.Struct, frozen=True):
    """What a program did with a packet."""

    action: int
    packet: bytes
    drops: Counter[DropReason]


def trial(board: Board, program: str, packet: bytes, device: str) -> Trial:
    """Run ``program`` of the switch on ``packet`` as if it had just arrived at ``device`` of the board's host."""
    parts = board.datapath._parts
    assert parts is not None
    before = board.drops()
    with board.host.enter():
        context = CONTEXT.pack(board.index(device))
        action, after, _ = testrun.run(parts.program(program), packet, context)
    return Trial(action, after, board.drops() - before)
