# SPDX-License-Identifier: Apache-2.0
"""Random frames through bridges with VLANs and tunnels: kernel and reference switch do the same."""

from __future__ import annotations

import itertools
from functools import partial
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import LOCAL, REMOTES, Board, open_board
from tests.support.bridged import DSTPORTS, VNIS, BridgeSketch, bridge_sketches, bridge_successors
from tests.support.examples import PHASES, FromPort, note, talk
from tests.support.tenant_frames import TenantFrame, bridged_frames
from tests.support.twins import VLANS, Twins
from tests.support.underlay_packets import UnderlayPacket
from tests.support.weights import mostly, weighted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from ipaddress import IPv4Address

    from vxnet.model import Tunnel

_examples = itertools.count(1)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """One host for all examples."""
    with open_board("vxbridge", tmp_path_factory.mktemp("bridges")) as board:
        yield board


class FromUnderlay(msgspec.Struct, frozen=True):
    """A packet arrives at a UDP port."""

    packet: UnderlayPacket
    dstport: int


class Become(msgspec.Struct, frozen=True):
    """The desired state changes."""

    sketch: BridgeSketch


Action = FromPort | FromUnderlay | Become


def frames_between(one: int, other: int) -> st.SearchStrategy[TenantFrame]:
    """A frame from a machine to another, in any VLAN."""
    return bridged_frames(VLANS, st.just(one), st.just(other))


def arriving(draw: st.DrawFn, sketch: BridgeSketch, remote: IPv4Address, frame: TenantFrame) -> FromUnderlay:
    """A packet of a remote, for a tunnel of the state if there is one."""
    vni, over_ipv6 = draw(st.sampled_from(sketch.vnis or VNIS)), draw(st.booleans())
    packet = UnderlayPacket(src=remote, dst=LOCAL, vni=vni, inner=frame, over_ipv6=over_ipv6)
    return FromUnderlay(packet, DSTPORTS[0])


@st.composite
def actions(draw: st.DrawFn, sketch: BridgeSketch, said: Sequence[Action], count: int) -> list[Action]:
    """Up to ``count`` things that can happen in a state, many of them several times."""
    frames = bridged_frames(VLANS)
    packets = st.builds(
        FromUnderlay,
        st.builds(
            UnderlayPacket,
            src=st.sampled_from(REMOTES),
            dst=st.just(LOCAL),
            vni=mostly(9, sketch.vnis or VNIS, (99, *VNIS)),
            inner=frames,
            over_ipv6=st.booleans(),
        ),
        mostly(4, DSTPORTS[:1], DSTPORTS[1:]),
    )
    anything: st.SearchStrategy[Action] = weighted(
        (6, st.sampled_from(said)), (5, st.builds(FromPort, st.sampled_from(sketch.attached), frames)), (4, packets)
    )
    return draw(st.lists(anything, min_size=draw(st.integers(0, count)), max_size=count))


@st.composite
def lives(draw: st.DrawFn, states: int, count: int) -> tuple[BridgeSketch, list[Action]]:
    """A state, then what happens in it and in the states that follow it."""
    first = sketch = draw(bridge_sketches())
    said = talk(draw, sketch.attached, frames_between, partial(arriving, draw, sketch))
    events: list[Action] = draw(actions(sketch, said, count))
    for _ in range(states - 1):
        sketch = draw(bridge_successors(sketch))
        events += [Become(sketch), *(draw(actions(sketch, said, count)) if sketch.attached else [])]
    return first, events


def live(board: Board, sketch: BridgeSketch, events: list[Action]) -> None:
    """Put both switches into the state, and let everything happen to both."""
    example = next(_examples)
    twins = Twins(board, sketch.state(example), example)
    for happening in events:
        match happening:
            case FromPort(port, frame):
                if any(its.device == port for its in twins.state.ports):
                    note(twins.from_port(port, frame.encode(example)))
            case FromUnderlay(packet, dstport):
                packet = _in_a_family(packet, [t for t in twins.state.tunnels if t.dstport == dstport])
                note(twins.from_underlay(packet.encode(example, dstport)))
            case Become(sketch):
                twins.become(sketch.state(example))
    twins.compare_reports()


def _in_a_family(packet: UnderlayPacket, tunnels: list[Tunnel]) -> UnderlayPacket:
    """Return the packet over a family that tunnels of its UDP port have.

    The host has an address of the other one too, where the kernel's VXLAN device listens, and a switch knows of none.
    """
    families = {isinstance(tunnel.local, IPv6Address) for tunnel in tunnels} or {False}
    over_ipv6 = packet.over_ipv6 if packet.over_ipv6 in families else not packet.over_ipv6
    return msgspec.structs.replace(packet, over_ipv6=over_ipv6)


@settings(max_examples=150, phases=PHASES)
@given(lives(states=1, count=50))
def test_same_frames_same_outcome(board: Board, life: tuple[BridgeSketch, list[Action]]) -> None:
    """Whatever the VLANs, the tunnels and the frames: same copies, tags, drops, FDB and counters."""
    live(board, *life)


@settings(max_examples=60, phases=PHASES)
@given(lives(states=3, count=15))
def test_what_stays_keeps_its_state(board: Board, life: tuple[BridgeSketch, list[Action]]) -> None:
    """Changing VLANs, bridges and tunnels under way leaves what stays as it was."""
    live(board, *life)
