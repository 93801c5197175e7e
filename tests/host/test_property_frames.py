# SPDX-License-Identifier: Apache-2.0
"""Random frames through the kernel's switch and through the reference switch: the same comes out.

hypothesis --> state, frames --> Twins --> kernel      ==
                                     `---> reference   ==      or the smallest example where they differ
"""

from __future__ import annotations

import itertools
from functools import partial
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.support.board import BLUE, LOCAL, REMOTES, Board, host_state, open_board
from tests.support.examples import PHASES, FromPort, note, talk
from tests.support.states import SEGMENTS, Sketch, is_ipv6, sketches, successors
from tests.support.tenant_frames import KNOWN, TenantFrame, large_frames, mac, ordinary_frames, tenant_frames
from tests.support.twins import Twins
from tests.support.underlay_packets import VNIS, UnderlayPacket, underlay_packets
from tests.support.weights import weighted
from vxnet.model import FdbEntry
from vxnet.switch.outcome import ToPort

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from ipaddress import IPv4Address

    from vxnet.model import Vtep

_examples = itertools.count(1)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """One host for all examples."""
    with open_board("vxprop", tmp_path_factory.mktemp("property")) as board:
        yield board


class Expire(msgspec.Struct, frozen=True):
    """An entry gets too old."""

    segment: int
    machine: int


class Sweep(msgspec.Struct, frozen=True):
    """What is too old is freed."""


class Become(msgspec.Struct, frozen=True):
    """The desired state changes."""

    sketch: Sketch


Action = FromPort | UnderlayPacket | Expire | Sweep | Become


def arriving(draw: st.DrawFn, sketch: Sketch, remote: IPv4Address, frame: TenantFrame) -> UnderlayPacket:
    """A packet of a remote, in a segment of the state if there is one, over the family they have."""
    vni = draw(st.sampled_from(sketch.vnis or VNIS))
    over_ipv6 = is_ipv6(sketch.family, remote)
    return UnderlayPacket(src=remote, dst=LOCAL, vni=vni, inner=frame, over_ipv6=over_ipv6)


@st.composite
def actions(draw: st.DrawFn, sketch: Sketch, said: Sequence[Action], count: int) -> list[Action]:
    """Up to ``count`` things that can happen in a state, many of them several times."""
    expire = st.builds(Expire, st.integers(0, SEGMENTS - 1), st.integers(0, KNOWN - 1))
    port = st.sampled_from(sketch.attached) if sketch.attached else st.nothing()
    anything: st.SearchStrategy[Action] = weighted(
        (8, st.sampled_from(said)),
        (4 if sketch.attached else 0, st.builds(FromPort, port, tenant_frames())),
        (5, underlay_packets(sketch.vnis, st.booleans())),
        (1, weighted((3, expire), (1, st.just(Sweep())))),
    )
    # A list alone would be short, whatever its longest may be.
    return draw(st.lists(anything, min_size=draw(st.integers(0, count)), max_size=count))


@st.composite
def lives(draw: st.DrawFn, states: int, count: int) -> tuple[Sketch, list[Action]]:
    """A state, then what happens in it and in the states that follow it."""
    first = sketch = draw(sketches())
    said = talk(draw, sketch.attached, ordinary_frames, partial(arriving, draw, sketch))
    events: list[Action] = draw(actions(sketch, said, count))
    for _ in range(states - 1):
        sketch = draw(successors(sketch))
        events += [Become(sketch), *draw(actions(sketch, said, count))]
    return first, events


def carry_out(twins: Twins, action: Action) -> None:
    """Let both switches live through ``action``; a device that is no port (any more) says nothing."""
    names = [segment.name for segment in twins.state.segments]
    match action:
        case FromPort(port, frame):
            if any(its.device == port for its in twins.state.ports):
                outcome = twins.from_port(port, frame.encode(twins.example))
                note(outcome)
                if any(isinstance(copy, ToPort) and copy.device == port for copy in outcome.copies):
                    event("answered")
        case UnderlayPacket():
            assert twins.state.vtep is not None
            packet = _in_its_family(action, twins.state.vtep)
            note(twins.from_underlay(packet.encode(twins.example, twins.state.vtep.dstport)))
        case Expire(segment, machine):
            if segment < len(names):
                twins.expire(names[segment], mac(twins.example, machine))
        case Sweep():
            twins.sweep()
        case Become(sketch):
            twins.become(sketch.state(twins.example))


def _in_its_family(packet: UnderlayPacket, vtep: Vtep) -> UnderlayPacket:
    """Return the packet over a family that the VTEP has.

    The host has an address of the other one too, where the kernel's VXLAN device listens, and a switch knows of none.
    """
    if vtep.local6:
        return packet
    return msgspec.structs.replace(packet, over_ipv6=isinstance(vtep.local, IPv6Address))


def live(board: Board, sketch: Sketch, events: list[Action]) -> None:
    """Put both switches into the state, and let everything happen to both."""
    example = next(_examples)
    twins = Twins(board, sketch.state(example), example)
    for happening in events:
        carry_out(twins, happening)
    twins.compare_reports()


@settings(max_examples=200, phases=PHASES)
@given(lives(states=1, count=60))
def test_same_frames_same_outcome(board: Board, life: tuple[Sketch, list[Action]]) -> None:
    """Whatever the state and the frames: same copies, same drops, same FDB, same counters."""
    live(board, *life)


@settings(max_examples=50, phases=PHASES)
@given(st.lists(large_frames(0, 1), min_size=1, max_size=30))
def test_too_large_for_the_path(board: Board, frames: list[TenantFrame]) -> None:
    """Whatever does not fit the way to its one remote: the same errors, or none."""
    example = next(_examples)
    blue = msgspec.structs.replace(BLUE, name=f"blue-{example}")
    behind = FdbEntry(segment=blue.name, mac=mac(example, 1), remote=REMOTES[0])
    twins = Twins(board, host_state("tap0", "tap1", segments=(blue,), fdb=(behind,)), example)
    for frame in frames:
        outcome = twins.from_port("tap0", frame.encode(example))
        event("told" if outcome.copies and outcome.drop else str(outcome.drop))
    twins.compare_reports()


@settings(max_examples=80, phases=PHASES)
@given(lives(states=4, count=20))
def test_what_stays_keeps_its_state(board: Board, life: tuple[Sketch, list[Action]]) -> None:
    """Changing the desired state touches nothing that stays, leaves nothing of what goes, and is idempotent."""
    live(board, *life)
