# SPDX-License-Identifier: Apache-2.0
"""BFD sessions as values (RFC 5880, section 6.8): two ends, and what is lost between them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vxnet import bfd
from vxnet.bfd import SLOW, Session, Timing
from vxnet.packet.bfd import Bfd, Diagnostic, State

FAST = Timing(min_tx=300_000, min_rx=300_000, detect_mult=3)
LAZY = Timing(min_tx=2_000_000, min_rx=2_000_000, detect_mult=3)
ONE, TWO = bfd.start(1, FAST), bfd.start(2, FAST)
PACKETS = st.builds(
    Bfd,
    state=st.sampled_from(State),
    my_discriminator=st.just(2),
    your_discriminator=st.just(1),
    diagnostic=st.integers(0, 31),
    poll=st.booleans(),
    final=st.booleans(),
    demand=st.booleans(),
    detect_mult=st.integers(1, 255),
    min_tx=st.integers(0, 2**32 - 1),
    min_rx=st.integers(0, 2**32 - 1),
)
TIMINGS = st.builds(
    Timing,
    min_tx=st.integers(100_000, 60_000_000),
    min_rx=st.integers(100_000, 60_000_000),
    detect_mult=st.integers(1, 255),
)


def exchange(one: Session, two: Session, times: int = 1) -> tuple[Session, Session]:
    """Let each end hear the other, and polls be answered."""
    for _ in range(times):
        said = bfd.packet(one)
        two = bfd.heard(two, said)
        if said.poll:
            one = bfd.heard(one, bfd.packet(two, final=True))
        said = bfd.packet(two)
        one = bfd.heard(one, said)
        if said.poll:
            two = bfd.heard(two, bfd.packet(one, final=True))
    return one, two


def both_up() -> tuple[Session, Session]:
    """Return two ends of a session that is up, all polls answered."""
    return exchange(ONE, TWO, 3)


def test_three_packets_and_both_are_up() -> None:
    """Down, Init, Up: the handshake of section 6.2."""
    two = bfd.heard(TWO, bfd.packet(ONE))
    one = bfd.heard(ONE, bfd.packet(two))
    assert (one.state, two.state) == (State.UP, State.INIT)
    two = bfd.heard(two, bfd.packet(one))
    assert two.state == State.UP
    assert (one.remote_discriminator, two.remote_discriminator) == (2, 1)


def test_who_hears_only_is_never_up() -> None:
    """One direction alone is no path: the end that is not heard stays in Init."""
    two = TWO
    for _ in range(10):
        two = bfd.heard(two, bfd.packet(ONE))
        assert two.state == State.INIT


def test_silence() -> None:
    """Nothing heard: down, with the reason, and the other end is no longer known."""
    one, two = both_up()
    one = bfd.expired(one)
    assert (one.state, one.diagnostic, one.remote_discriminator) == (State.DOWN, Diagnostic.TIME_EXPIRED, 0)
    two = bfd.heard(two, bfd.packet(one))
    assert (two.state, two.diagnostic) == (State.DOWN, Diagnostic.NEIGHBOUR_DOWN)
    one, two = exchange(one, two, 3)
    assert (one.state, two.state) == (State.UP, State.UP)
    assert one.diagnostic == Diagnostic.NONE


def test_closed_by_its_end() -> None:
    """AdminDown takes the other end down; the one that has closed hears nothing any more."""
    one, two = both_up()
    one = bfd.admin_down(one)
    assert (bfd.packet(one).state, bfd.packet(one).diagnostic) == (State.ADMIN_DOWN, Diagnostic.ADMIN_DOWN)
    two = bfd.heard(two, bfd.packet(one))
    assert (two.state, two.remote_state) == (State.DOWN, State.ADMIN_DOWN)
    assert bfd.heard(one, bfd.packet(two)) == one


def test_slow_until_it_is_up() -> None:
    """Section 6.8.3: a second at least between packets of a session that is not up; the new interval is polled."""
    assert bfd.packet(ONE).min_tx == SLOW
    two = bfd.heard(TWO, bfd.packet(ONE))
    one = bfd.heard(ONE, bfd.packet(two))
    said = bfd.packet(one)
    assert (said.state, said.min_tx, said.poll) == (State.UP, FAST.min_tx, True)
    one = bfd.heard(one, bfd.packet(bfd.heard(two, said), final=True))
    assert not bfd.packet(one).poll
    assert bfd.packet(bfd.expired(one)).min_tx == SLOW


def test_an_answer_is_no_poll() -> None:
    """Poll and final are never in one packet (section 6.8.7)."""
    one, _ = both_up()
    answer = bfd.packet(msgspec.structs.replace(one, polling=True), final=True)
    assert (answer.poll, answer.final) == (False, True)


def test_another_timing_waits_for_its_answer() -> None:
    """Slower sending and a shorter detection hold from the answer on, the other way round at once (section 6.8.3)."""
    one, two = both_up()
    slower = bfd.retimed(one, LAZY)
    assert bfd.packet(slower).poll
    assert (slower.tx, slower.rx) == (FAST.min_tx, LAZY.min_rx)
    slower, two = exchange(slower, two)
    assert (slower.tx, slower.rx, slower.polling) == (LAZY.min_tx, LAZY.min_rx, False)
    faster = bfd.retimed(slower, FAST)
    assert (faster.tx, faster.rx) == (FAST.min_tx, LAZY.min_rx)
    faster, two = exchange(faster, two)
    assert (faster.tx, faster.rx, faster.polling) == (FAST.min_tx, FAST.min_rx, False)


def test_detection_is_the_others_multiplier() -> None:
    """Section 6.8.4: the other end's multiplier, times the slower of what it sends and what we take."""
    one, two = both_up()
    assert bfd.detection(one) == 3 * 300_000
    one, _ = exchange(one, bfd.retimed(two, Timing(min_tx=1_000_000, min_rx=300_000, detect_mult=5)), 2)
    assert bfd.detection(one) == 5 * 1_000_000


@pytest.mark.parametrize(("mult", "least", "most"), [(3, 0.75, 1.0), (1, 0.75, 0.9)])
def test_jitter(mult: int, least: float, most: float) -> None:
    """Section 6.8.7: packets come up to a quarter early; with a multiplier of 1 a tenth at least."""
    one = msgspec.structs.replace(both_up()[0], timing=msgspec.structs.replace(FAST, detect_mult=mult))
    assert bfd.interval(one, 0) == pytest.approx(most * 300_000)
    assert bfd.interval(one, 1) == pytest.approx(least * 300_000)


def test_who_wants_no_packets_gets_none() -> None:
    """A required interval of 0, or demand mode where both are up, stops them (sections 6.8.7 and 6.6)."""
    one, two = both_up()
    assert bfd.interval(bfd.heard(one, msgspec.structs.replace(bfd.packet(two), min_rx=0)), 0) is None
    demanded = bfd.heard(one, msgspec.structs.replace(bfd.packet(two), demand=True))
    assert bfd.interval(demanded, 0) is None
    assert bfd.interval(bfd.retimed(demanded, LAZY), 0) is not None


@given(st.lists(st.tuples(st.sampled_from(["heard", "expired", "retimed"]), PACKETS, TIMINGS), max_size=12))
def test_whatever_happens_it_comes_up_again(events: list[tuple[str, Bfd, Timing]]) -> None:
    """After any history, two ends that hear each other are up, and have no poll open."""
    one = ONE
    for what, packet, timing in events:
        before = one
        match what:
            case "heard":
                one = bfd.heard(one, packet)
                up = before.state != State.UP == one.state
                assert not up or packet.state in {State.INIT, State.UP}, "only who hears us lets us be up"
                assert one.state != State.UP or packet.state not in {State.ADMIN_DOWN, State.DOWN}
            case "expired":
                one = bfd.expired(one)
                assert one.state == State.DOWN
            case _:
                one = bfd.retimed(one, timing)
                assert one.state == before.state
        assert one.state == State.UP or one.tx >= SLOW
        assert one.polling <= (one.state == State.UP)
        assert bfd.packet(one).encode()
    one, two = exchange(one, bfd.start(2, FAST), 5)
    assert (one.state, two.state) == (State.UP, State.UP)
    assert (one.polling, two.polling) == (False, False)
    assert (one.tx, one.rx) == (one.timing.min_tx, one.timing.min_rx)
