# SPDX-License-Identifier: Apache-2.0
"""All of a run, what is to be reached, and what is said of many measurements of one thing."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

from bench.cluster.creating import Creating
from bench.cluster.memory import Memory
from bench.cluster.ping import Pings
from bench.cluster.spreading import Spread
from bench.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGETS = {"sqlite": 0.100, "etcd": 0.200}
"""By store: seconds from the request until the first answered ping, of 99 ports in 100."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, in seconds and bytes unless a name says otherwise."""

    creating: tuple[Creating, ...] = ()
    pings: tuple[Pings, ...] = ()
    spreads: tuple[Spread, ...] = ()
    memory: tuple[Memory, ...] = ()
    machine: Machine


class Two(msgspec.Struct, frozen=True):
    """The median, and what 99 in 100 do not exceed, of values in seconds; in milliseconds."""

    median: float
    p99: float

    def __str__(self) -> str:
        return f"{self.median:.1f} / {self.p99:.1f}"


def two(seconds: Iterable[float]) -> Two:
    """Return both. ValueError if there is no value."""
    values = sorted(1000 * value for value in seconds)
    if not values:
        raise ValueError("of nothing there is no median")
    return Two(statistics.median(values), values[-(-99 * len(values) // 100) - 1])


def met(found: Pings) -> bool:
    """Tell whether a run of pings reached what is to be reached."""
    return two(port.answered for port in found.ports).p99 < 1000 * TARGETS[found.store]
