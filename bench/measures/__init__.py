# SPDX-License-Identifier: Apache-2.0
"""What is measured from VM a to VM b: one file for each measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.measures import packets, pingpong, stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.bed import Bed


class Measure(NamedTuple):
    """A measure: its ``field`` in the results, what it is called, and ``take(bed, seconds)``, which takes it."""

    field: str
    name: str
    take: Callable[[Bed, int], float]


MEASURES = (
    Measure("tcp_gbps", "TCP stream", stream.take),
    Measure("rr_us", "TCP ping-pong", pingpong.take),
    Measure("pps", "small packets", packets.take),
)
