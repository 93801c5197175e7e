# SPDX-License-Identifier: Apache-2.0
"""Rounds: their numbers, each of which is the seed of all that happens in it, until the time is over."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def rounds(first: int, seconds: float) -> Iterator[int]:
    """Yield ``first`` and the numbers after it as long as ``seconds`` have not passed; at least the first."""
    end = time.monotonic() + seconds
    yield first
    yield from itertools.takewhile(lambda _: time.monotonic() < end, itertools.count(first + 1))
