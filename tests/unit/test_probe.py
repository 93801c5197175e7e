# SPDX-License-Identifier: Apache-2.0
"""A probe's session: up once it has answered, down once so many in a row were not answered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vxnet.probe import NUMBERS, Session, answered, asked, retimed


def sent(session: Session, times: int) -> Session:
    """Return the session after so many requests."""
    for _ in range(times):
        session = asked(session)
    return session


def test_who_never_answers_is_down_and_stays_so() -> None:
    """However often it is asked."""
    assert not any(sent(Session(detect_mult=3), times).up for times in range(10))


def test_up_and_down() -> None:
    """It is down as the request goes out that follows the third without an answer, and up with the next answer."""
    session = answered(asked(Session(detect_mult=3)), 1)
    assert session
    assert [sent(session, times).up for times in range(6)] == [True, True, True, True, False, False]
    again = answered(sent(session, 5), 6)
    assert again
    assert again.up


def test_a_late_answer_counts_for_its_own_request() -> None:
    """Those sent after the one that is answered are still waited for."""
    session = answered(sent(Session(detect_mult=3), 3), 1)
    assert session
    assert (session.up, session.missed) == (True, 2)
    assert not sent(session, 2).up


@given(st.integers(1, 255), st.integers(1, 400), st.integers(0, NUMBERS - 1), st.integers(0, NUMBERS - 1))
def test_only_what_is_waited_for_counts(detect_mult: int, times: int, begin: int, number: int) -> None:
    """The last requests, one more than may be missed, in whatever way the numbers wrap; each of them once."""
    session = sent(Session(detect_mult=detect_mult, number=begin), times)
    waited = {(begin + 1 + at) % NUMBERS for at in range(max(0, times - detect_mult - 1), times)}
    after = answered(session, number)
    assert (after is not None) == (number in waited)
    if after:
        assert after.up
        assert answered(after, number) is None


def test_another_bound() -> None:
    """It holds from the next request on."""
    session = answered(asked(Session(detect_mult=5)), 1)
    assert session
    assert sent(session, 3).up
    assert not asked(retimed(sent(session, 3), 2)).up
