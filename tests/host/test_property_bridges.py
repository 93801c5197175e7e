# SPDX-License-Identifier: Apache-2.0
"""Random frames through bridges with VLANs and tunnels: kernel and reference switch do the same."""

from __future__ import annotations

import itertools
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from tests.support.board import LOCAL, REMOTES, Board, open_board
from tests.support.bridged import DSTPORTS, VNIS, BridgeSketch, bridge_sketches, bridge_successors
from tests.support.tenant_frames import KNOWN, TenantFrame, bridged_frames
from tests.support.twins import VLANS, Twins
from tests.support.underlay_packets import UnderlayPacket
from tests.support.weights import mostly, weighted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address

    from vxnet.model import Tunnel
    from vxnet.switch.outcome import Outcome

_examples = itertools.count(1)
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """One host for all examples."""
    with open_board("vxbridge", tmp_path_factory.mktemp("bridges")) as board:
        yield board


class FromPort(msgspec.Struct, frozen=True):
    """A port sends a frame."""

    port: str
    frame: TenantFrame


class FromUnderlay(msgspec.Struct, frozen=True):
    """A packet arrives at a UDP port."""

    packet: UnderlayPacket
    dstport: int


class Become(msgspec.Struct, frozen=True):
    """The desired state changes."""

    sketch: BridgeSketch


Action = FromPort | FromUnderlay | Become


@st.composite
def talks(draw: st.DrawFn, sketch: BridgeSketch) -> list[Action]:
    """A few frames between two machines, each the answer to the one before: what is said again is cached."""
    one, other = draw(st.permutations(range(KNOWN)))[:2]
    said: list[Action] = []
    places: list[str | IPv4Address] = [*sketch.attached, *REMOTES]
    for place in draw(st.lists(st.sampled_from(places), min_size=2, max_size=4)):
        frame = draw(bridged_frames(VLANS, st.just(one), st.just(other)))
        if isinstance(place, str):
            said.append(FromPort(place, frame))
        else:
            vni, over_ipv6 = draw(st.sampled_from(sketch.vnis or VNIS)), draw(st.booleans())
            packet = UnderlayPacket(src=place, dst=LOCAL, vni=vni, inner=frame, over_ipv6=over_ipv6)
            said.append(FromUnderlay(packet, DSTPORTS[0]))
        one, other = other, one
    return said


@st.composite
def actions(draw: st.DrawFn, sketch: BridgeSketch, talk: list[Action], count: int) -> list[Action]:
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
        (6, st.sampled_from(talk)), (5, st.builds(FromPort, st.sampled_from(sketch.attached), frames)), (4, packets)
    )
    return draw(st.lists(anything, min_size=draw(st.integers(0, count)), max_size=count))


@st.composite
def lives(draw: st.DrawFn, states: int, count: int) -> tuple[BridgeSketch, list[Action]]:
    """A state, then what happens in it and in the states that follow it."""
    first = sketch = draw(bridge_sketches())
    talk = draw(talks(sketch))
    events: list[Action] = draw(actions(sketch, talk, count))
    for _ in range(states - 1):
        sketch = draw(bridge_successors(sketch))
        events += [Become(sketch), *(draw(actions(sketch, talk, count)) if sketch.attached else [])]
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


def note(outcome: Outcome) -> None:
    """Tell hypothesis's statistics what the examples are made of."""
    event(str(outcome.drop or (f"{len(outcome.copies)} copies" if outcome.ours else "left to the host")))


@settings(max_examples=150, phases=_PHASES)
@given(lives(states=1, count=50))
def test_same_frames_same_outcome(board: Board, life: tuple[BridgeSketch, list[Action]]) -> None:
    """Whatever the VLANs, the tunnels and the frames: same copies, tags, drops, FDB and counters."""
    live(board, *life)


@settings(max_examples=60, phases=_PHASES)
@given(lives(states=3, count=15))
def test_what_stays_keeps_its_state(board: Board, life: tuple[BridgeSketch, list[Action]]) -> None:
    """Changing VLANs, bridges and tunnels under way leaves what stays as it was."""
    live(board, *life)
