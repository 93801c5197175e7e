# SPDX-License-Identifier: Apache-2.0
"""Storm control: how much BUM may come from one place, and into one segment (rule 11).

A bucket holds a second's frames. It is kept as the time up to which what has come is paid for: each frame moves that on
by its share of a second, and who would move it into the future has to wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

SECOND = 10**9


class Buckets:
    """A bucket for each place or segment; all are full in the beginning."""

    def __init__(self) -> None:
        self._paid: dict[Hashable, int] = {}

    def admit(self, whose: Hashable, limit: int, now: float) -> bool:
        """Take one frame, of ``limit`` a second (0: any number), at ``now`` in seconds. False if it is one too many."""
        at = round(now * SECOND)
        paid = max(self._paid.get(whose, at - SECOND), at - SECOND)
        if limit and paid >= at:
            return False
        if limit:
            self._paid[whose] = paid + -(-SECOND // limit)
        return True
