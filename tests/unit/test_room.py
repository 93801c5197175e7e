# SPDX-License-Identifier: Apache-2.0
"""What room changes need, and what sizes that makes."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from vxnet.datapath import room
from vxnet.errors import KernelError
from vxnet.model import DOWN, FdbEntry, HostState, Port, Segment, Vtep
from vxnet.plan import Actual, plan

REMOTES = tuple(IPv4Address("192.0.2.0") + n for n in range(1, 6))
STATE = HostState(
    vtep=Vtep(local=REMOTES[0]),
    segments=tuple(Segment(name=f"s{n}", vni=n, remotes=REMOTES) for n in range(1, 101)),
    ports=(Port(device="tap-a", segment="s1"),),
    fdb=(FdbEntry(segment="s1", mac="02:00:00:00:00:01", port="tap-a"),),
)


def test_what_comes_has_room() -> None:
    """Slot 0 is nobody's; any list may be written beside the one in force; what goes needs none."""
    wanted = room.needed(None, plan(STATE, Actual()))
    assert wanted["domains"] == len(STATE.segments) + 1
    assert wanted["members"] == len(STATE.segments) + len(STATE.ports) + 1
    assert wanted["flood"] == (len(STATE.segments) + 1) * len(REMOTES) + len(STATE.ports)
    assert wanted["fdb"] == 2
    assert room.needed(None, plan(DOWN, Actual(STATE))) == room.needed(None, ())


def test_sizes() -> None:
    """Only what is too small grows, and what is asked for by the same slot with it; arrays not by a lot."""
    have = {"domains": 1024, "members": 4096, "fdb": 8}
    assert room.sizes({"domains": 1024, "fdb": 8}, have) == {}
    assert room.sizes({"domains": 1025, "fdb": 9}, have) == {"domains": 1536, "moves": 1536, "fdb": 16}
    assert room.sizes({"members": 100_002}, have) == {"members": 106_496, "traffic": 106_496}
    assert room.sizes({"members": room.MOST}, {"members": room.MOST - 1})["members"] == room.MOST


def test_there_is_an_end() -> None:
    """More than any map can hold is an error that says so."""
    with pytest.raises(KernelError, match="eBPF map flood holds 16777216 elements at most; 16777217 are asked for"):
        room.sizes({"flood": room.MOST + 1})
