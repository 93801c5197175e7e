# SPDX-License-Identifier: Apache-2.0
"""hypothesis outside of a test: a number of examples of a strategy, of a seed, and the smallest that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


def explore(inputs: SearchStrategy[T], check: Callable[[T], None], *, seed: int, count: int) -> None:
    """Check ``count`` inputs. What ``check`` raises for the smallest that fails is raised, with a note of it."""
    phases = (Phase.generate, Phase.shrink)

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count, database=None, deadline=None, phases=phases, suppress_health_check=list(HealthCheck)
    )
    @hypothesis.given(inputs)
    def one(value: T) -> None:
        check(value)

    one()
