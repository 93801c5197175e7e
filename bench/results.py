# SPDX-License-Identifier: Apache-2.0
"""From single measurements to medians, ratios and targets; build/bench.json holds them all.

    rounds["vxnet"] = (Figures, Figures, ...)   --median of each field-->   rows["vxnet"] = Figures
    rows["vxnet"] and rows[peer]                --divided-->                ratios["pps_vs_PEER"], ...

The names of rows and fields are fixed: other programs read them.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

from bench.machine import Machine
from bench.targets import TARGETS, Reached

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS = "vxnet"
"""The row that the others are compared with."""

SHORT = {"tcp_gbps": "tcp", "rr_us": "rr", "pps": "pps"}
"""What a field is called in the name of a ratio."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one row: TCP stream in Gbit/s, half a TCP round trip in microseconds, packets a second."""

    tcp_gbps: float
    rr_us: float
    pps: float


Rounds = dict[str, tuple[Figures, ...]]
"""For each row, what each round measured."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run: ``rows`` are medians over ``rounds``, ``ratios`` are vxnet's median divided by the other row's."""

    rows: dict[str, Figures]
    ratios: dict[str, float]
    targets: tuple[Reached, ...]
    rounds: Rounds
    seconds: int
    machine: Machine


def report(rounds: Rounds, seconds: int, machine: Machine) -> Report:
    """Everything that follows from what was measured."""
    rows = {row: medians(figures) for row, figures in rounds.items()}
    found = ratios(rows)
    reached = tuple(target.reached(found[target.ratio]) for target in TARGETS if target.ratio in found)
    return Report(rows=rows, ratios=found, targets=reached, rounds=rounds, seconds=seconds, machine=machine)


def medians(rounds: Sequence[Figures]) -> Figures:
    """The median of each field over ``rounds``, of which there is at least one."""
    return Figures(**{field: statistics.median(getattr(figures, field) for figures in rounds) for field in SHORT})


def spread(rounds: Sequence[Figures], field: str) -> tuple[float, float]:
    """The lowest and the highest of a field."""
    values = [getattr(figures, field) for figures in rounds]
    return min(values), max(values)


def ratios(rows: dict[str, Figures]) -> dict[str, float]:
    """For each field and each other row, vxnet's figure divided by the row's; nothing when vxnet was not measured."""
    if OURS not in rows:
        return {}
    return {
        ratio_name(field, peer): getattr(rows[OURS], field) / getattr(figures, field)
        for field in SHORT
        for peer, figures in rows.items()
        if peer != OURS
    }


def ratio_name(field: str, peer: str) -> str:
    """``pps_vs_bridge``."""
    return f"{SHORT[field]}_vs_{peer}"


def to_json(found: Report) -> bytes:
    """What build/bench.json holds."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
