# SPDX-License-Identifier: Apache-2.0
"""What vxnet wants to reach. Reported beside what was reached, and never asserted: machines differ."""

from __future__ import annotations

from typing import Literal

import msgspec

Bound = Literal["at least", "at most"]


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A target and what a run reached of it."""

    ratio: str
    bound: Bound
    target: float
    reached: float
    met: bool


class Target(msgspec.Struct, frozen=True):
    """A bound for one of the ratios of `bench.results`."""

    ratio: str
    bound: Bound
    value: float

    def reached(self, value: float) -> Reached:
        """This target beside the ``value`` that was measured."""
        met = value >= self.value if self.bound == "at least" else value <= self.value
        return Reached(ratio=self.ratio, bound=self.bound, target=self.value, reached=value, met=met)


TARGETS = (
    Target("pps_vs_kernel-vxlan", "at least", 2.4),
    Target("pps_vs_bridge", "at least", 1.3),
    Target("pps_vs_limit", "at least", 0.85),
    Target("rr_vs_kernel-vxlan", "at most", 0.72),
    Target("rr_vs_limit", "at most", 1.05),
    Target("tcp_vs_kernel-vxlan", "at least", 1.15),
    Target("tcp_vs_limit", "at least", 0.95),
)
