# SPDX-License-Identifier: Apache-2.0
"""One BFD session (RFC 5880, sections 6.2 and 6.8): what it becomes by what is heard, or not. No clock is in here.

                            heard: ADMIN_DOWN, or nothing for the detection time
                           .--------------------------------------------------.
                           v                                                  |
    start --> DOWN --- heard: DOWN ---> INIT --- heard: INIT, UP ---> UP -----'
               |                                                      ^
               '------------------ heard: INIT -----------------------'
                                   (and from UP back to DOWN: heard DOWN)

Times are in microseconds, as on the wire. Whoever holds a session sends `packet` every `interval`, and calls `expired`
when `detection` has passed since it last `heard`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vxnet.packet.bfd import Bfd, Diagnostic, State

SLOW: Final = 1_000_000
"""A session that is not up sends no more often than this (section 6.8.3)."""

_JITTER, _JITTER_OF_ONE = 0.25, 0.10
_LEAST_OF_ONE = 0.10


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """What this end asks for: how often it would send and hear, and after how many packets missed it is given up."""

    min_tx: int
    min_rx: int
    detect_mult: int


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One end's state (section 6.8.1).

    ``tx`` and ``rx`` are the intervals in force; they follow ``timing`` at once, or when a poll has been answered.
    """

    discriminator: int
    timing: Timing
    tx: int
    rx: int
    state: State = State.DOWN
    diagnostic: Diagnostic = Diagnostic.NONE
    remote_discriminator: int = 0
    remote_state: State = State.DOWN
    remote_min_tx: int = 0
    remote_min_rx: int = 1
    remote_mult: int = 0
    remote_demand: bool = False
    polling: bool = False


def start(discriminator: int, timing: Timing) -> Session:
    """Return a session in which nothing has been heard. ``discriminator``: of 32 bits, not 0, no other session's."""
    return Session(discriminator=discriminator, timing=timing, tx=max(timing.min_tx, SLOW), rx=timing.min_rx)


def heard(session: Session, packet: Bfd) -> Session:
    """Return what a packet makes of the session, which it must be for (section 6.8.6)."""
    if session.state == State.ADMIN_DOWN:
        return session
    after = msgspec.structs.replace(
        session,
        remote_discriminator=packet.my_discriminator,
        remote_state=packet.state,
        remote_min_tx=packet.min_tx,
        remote_min_rx=packet.min_rx,
        remote_mult=packet.detect_mult,
        remote_demand=packet.demand,
    )
    if packet.final and session.polling:
        after = msgspec.structs.replace(after, polling=False, tx=_wanted_tx(after), rx=after.timing.min_rx)
    match session.state, packet.state:
        case State.DOWN, State.DOWN:
            return msgspec.structs.replace(after, state=State.INIT)
        case (State.DOWN, State.INIT) | (State.INIT, (State.INIT | State.UP)):
            return _up(after)
        case (State.UP, State.DOWN) | ((State.INIT | State.UP), State.ADMIN_DOWN):
            return _down(after, Diagnostic.NEIGHBOUR_DOWN)
        case _:
            return after


def expired(session: Session) -> Session:
    """Return what the session is after nothing was heard for the detection time (sections 6.8.1 and 6.8.4)."""
    after = msgspec.structs.replace(session, remote_discriminator=0)
    if session.state in {State.INIT, State.UP}:
        return _down(msgspec.structs.replace(after, remote_state=State.DOWN), Diagnostic.TIME_EXPIRED)
    return after


def admin_down(session: Session) -> Session:
    """Return the session as its own end has ended it: what the other one hears of that says nothing of the path."""
    return msgspec.structs.replace(_down(session, Diagnostic.ADMIN_DOWN), state=State.ADMIN_DOWN)


def retimed(session: Session, timing: Timing) -> Session:
    """Return the session with another timing.

    If it is up, the other end has to know before this one sends less often, or expects to hear more often: that is
    polled (section 6.8.3).
    """
    if timing == session.timing:
        return session
    after = msgspec.structs.replace(session, timing=timing)
    if session.state != State.UP:
        return msgspec.structs.replace(after, tx=_wanted_tx(after), rx=timing.min_rx)
    return msgspec.structs.replace(
        after, polling=True, tx=min(session.tx, timing.min_tx), rx=max(session.rx, timing.min_rx)
    )


def packet(session: Session, *, final: bool = False) -> Bfd:
    """Return what the session says now; ``final`` is the answer to a poll, which is itself no poll (section 6.5)."""
    return Bfd(
        state=session.state,
        diagnostic=session.diagnostic,
        my_discriminator=session.discriminator,
        your_discriminator=session.remote_discriminator,
        poll=session.polling and not final,
        final=final,
        detect_mult=session.timing.detect_mult,
        min_tx=_wanted_tx(session),
        min_rx=session.timing.min_rx,
    )


def interval(session: Session, chance: float) -> float | None:
    """Return when the next packet is due (section 6.8.7); None: none is wanted. ``chance``, 0 to 1, is the jitter."""
    if not session.remote_min_rx:
        return None
    demanded = session.remote_demand and session.state == session.remote_state == State.UP
    if demanded and not session.polling:
        return None
    agreed = max(session.tx, session.remote_min_rx)
    if session.timing.detect_mult == 1:
        return agreed * (1 - _LEAST_OF_ONE - chance * (_JITTER - _JITTER_OF_ONE))
    return agreed * (1 - chance * _JITTER)


def detection(session: Session) -> int:
    """Return how long nothing may be heard (section 6.8.4); 0 before anything was."""
    return session.remote_mult * max(session.rx, session.remote_min_tx)


def _up(session: Session) -> Session:
    after = msgspec.structs.replace(session, state=State.UP, diagnostic=Diagnostic.NONE)
    wanted = _wanted_tx(after)
    # Faster than before: at once, and the other end is told by a poll (sections 6.5 and 6.8.3).
    return msgspec.structs.replace(after, tx=wanted, polling=wanted != session.tx)


def _down(session: Session, why: Diagnostic) -> Session:
    after = msgspec.structs.replace(session, state=State.DOWN, diagnostic=why, polling=False)
    return msgspec.structs.replace(after, tx=_wanted_tx(after), rx=after.timing.min_rx)


def _wanted_tx(session: Session) -> int:
    return session.timing.min_tx if session.state == State.UP else max(session.timing.min_tx, SLOW)
