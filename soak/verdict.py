# SPDX-License-Identifier: Apache-2.0
"""What has to be so when a soak is over: nothing lost, nothing gathered, nothing left. Everything else is a fault."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

from soak.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GROWTH = 0.1
"""How much more memory there may be in the last quarter than in the second: of that, and of a daemon at least 4 MiB."""

_MIB = 1 << 20


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run; ``deeds`` are (seconds since the beginning, what was done), ``faults`` is empty if all was well."""

    seconds: int
    seed: int
    deeds: tuple[tuple[float, str], ...]
    samples: tuple[Sample, ...]
    faults: tuple[str, ...]


def judge(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Return what the samples show that must not be; the last one is taken when all is over."""
    last = samples[-1]
    faults = []
    if last.lost:
        faults.append(f"{last.lost} of {last.sent} packets of streams that nobody touched were lost")
    if last.again:
        faults.append(f"{last.again} packets arrived twice")
    if last.pings_lost:
        faults.append(f"{last.pings_lost} pings between machines that nobody touched were not answered")
    faults += filter(
        None,
        (
            _grown("the daemon's memory", samples, lambda sample: sample.rss, 4 * _MIB),
            _grown("the daemon's descriptors", samples, lambda sample: sample.descriptors, 4),
            _grown("the maps' memory", samples, lambda sample: sample.map_bytes, 0),
        ),
    )
    return tuple(faults)


def _grown(what: str, samples: Sequence[Sample], of: Callable[[Sample], int], least: int) -> str:
    early, late = quarter(samples, 1, of), quarter(samples, 3, of)
    if late - early > max(GROWTH * early, least):
        return f"{what} grew from {early:.0f} in the second quarter to {late:.0f} in the last"
    return ""


def quarter(samples: Sequence[Sample], number: int, of: Callable[[Sample], int]) -> float:
    """Return the median of something in a quarter (0-3) of the samples."""
    size = len(samples) / 4
    return statistics.median(of(s) for s in samples[int(number * size) : max(int((number + 1) * size), 1)] or samples)
