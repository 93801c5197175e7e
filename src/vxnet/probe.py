# SPDX-License-Identifier: Apache-2.0
"""Whether one remote answers: what a request that is sent, and a reply that comes, make of that. No clock is here.

    DOWN ---- answered ----> UP ---- `detect_mult` in a row not answered ----> DOWN

Whoever holds a session sends a request of its ``number`` each time it was `asked`, at an interval, and tells of what
comes back.
"""

from __future__ import annotations

from typing import Final

import msgspec

NUMBERS: Final = 1 << 16
"""How many numbers there are: ICMP's sequence number has 16 bits (RFC 792, page 14)."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """``number`` is that of the last request; ``missed``: how many, up to that one, have not been answered."""

    detect_mult: int
    number: int = 0
    missed: int = 0
    up: bool = False


def retimed(session: Session, detect_mult: int) -> Session:
    """Return the session with another bound on what may be missed."""
    return msgspec.structs.replace(session, detect_mult=detect_mult)


def asked(session: Session) -> Session:
    """Return the session as the next request goes out; if too many before it were not answered, it is down."""
    return msgspec.structs.replace(
        session,
        number=(session.number + 1) % NUMBERS,
        missed=min(session.missed, session.detect_mult) + 1,
        up=session.up and session.missed < session.detect_mult,
    )


def answered(session: Session, number: int) -> Session | None:
    """Return what a reply makes of the session; None for one that is waited for no more, or was never asked for."""
    since = (session.number - number) % NUMBERS
    if since >= session.missed:
        return None
    return msgspec.structs.replace(session, missed=since, up=True)
