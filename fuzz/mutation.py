# SPDX-License-Identifier: Apache-2.0
"""Bytes that are nearly right: a good input with a few of them changed, left out, doubled, or taken from another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFF)
_WORDS = (0, 1, 7, 8, 0x7FFF, 0x8000, 0x8100, 0x88A8, 0xFFFF)


def mutated(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Return ``data`` with one to four mutations; ``others`` is what the middle or the end may be taken from."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        if others and random.random() < _SPLICED:
            _spliced(random, changed, random.choice(others))
        else:
            random.choice(_MUTATIONS)(random, changed)
    return bytes(changed)


_SPLICED = 0.1
_LONGEST = 64
"""How many bytes one mutation inserts at most."""


def _place(random: Random, data: bytearray) -> int:
    """Return a place in ``data``; half of the time near its beginning, where headers are."""
    return random.randint(0, min(len(data), 70) if random.random() < 0.5 else len(data))


def _flipped(random: Random, data: bytearray) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _byte(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    data[at : at + 1] = bytes((random.choice((*_BYTES, random.randrange(256))),))


def _word(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    data[at : at + 2] = random.choice((*_WORDS, random.randrange(1 << 16))).to_bytes(2, "big")


def _counted(random: Random, data: bytearray) -> None:
    """Add or take a little from a number of two bytes, as lengths are."""
    at = _place(random, data) & ~1
    value = int.from_bytes(data[at : at + 2], "big") + random.choice((-8, -4, -2, -1, 1, 2, 4, 8))
    data[at : at + 2] = (value & 0xFFFF).to_bytes(2, "big")


def _shortened(random: Random, data: bytearray) -> None:
    del data[_place(random, data) :]


def _without(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    del data[at : at + random.randint(1, 16)]


def _with(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    data[at:at] = random.randbytes(random.randint(1, _LONGEST))


def _doubled(random: Random, data: bytearray) -> None:
    at, length = _place(random, data), random.randint(1, _LONGEST)
    data[at:at] = data[at : at + length]


def _lengthened(random: Random, data: bytearray) -> None:
    data += bytes(random.randint(1, _LONGEST))


def _spliced(random: Random, data: bytearray, other: bytes) -> None:
    """Let it go on as another input does, from any place of that one."""
    data[_place(random, data) :] = other[random.randint(0, len(other)) :]


_MUTATIONS: tuple[Callable[[Random, bytearray], None], ...] = (
    _flipped,
    _byte,
    _word,
    _counted,
    _shortened,
    _without,
    _with,
    _doubled,
    _lengthened,
)
