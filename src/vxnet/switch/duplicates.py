# SPDX-License-Identifier: Apache-2.0
"""What is done about a MAC that is in two places at once, and so moves to and fro (rule 12; RFC 7432, section 15.1).

    H -> A          1   the first move: H is its home
    A -> H          2
    H -> A          3
    A -> H          4
    H -> A          5   `max_moves` in DUPLICATE_TIME: a duplicate, which for so long only its home teaches

It stays at home, and not where it is, as he who wants it elsewhere could choose when to stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

DUPLICATE_TIME: Final = 180.0
"""Seconds."""

P = TypeVar("P")
"""Where a MAC can be."""


class _Moved(msgspec.Struct, Generic[P]):
    home: P
    since: float
    moves: int = 0
    duplicate: bool = False


class Moves(Generic[P]):
    """The MACs that have moved lately, under any keys."""

    def __init__(self) -> None:
        self._moved: dict[Hashable, _Moved[P]] = {}

    def allow(self, key: Hashable, old: P | None, new: P, max_moves: int, now: float) -> P | None:
        """Return where a MAC that is at ``old``, or with None nowhere, and was seen at ``new`` is learned.

        That is ``new``, or its home; with None it is not learned. ``max_moves`` 0: it may move as often as it likes.
        """
        moved = self._moved.get(key)
        if moved is not None and now - moved.since >= DUPLICATE_TIME:
            moved = None
        if max_moves and moved is not None and moved.duplicate:
            return new if new == moved.home else None
        if not max_moves or old is None:
            return new
        if moved is None:
            moved = self._moved[key] = _Moved(old, now)
        moved.moves += 1
        if moved.moves < max_moves:
            return new
        moved.since, moved.duplicate = now, True
        return moved.home

    def is_duplicate(self, key: Hashable, now: float) -> bool:
        """Tell whether a MAC counts as a duplicate."""
        moved = self._moved.get(key)
        return moved is not None and moved.duplicate and now - moved.since < DUPLICATE_TIME

    def take_over(self, other: Moves[P], stays: Callable[[P], bool]) -> None:
        """Know what ``other`` knows of MACs whose home ``stays``."""
        self._moved |= {key: moved for key, moved in other._moved.items() if stays(moved.home)}
