# SPDX-License-Identifier: Apache-2.0
"""The soak, in two minutes: churn around machines that must not notice (soak/, docs/soak.md)."""

from __future__ import annotations

import time

from soak.deeds import DEEDS
from soak.run import soak

SECONDS = 100


def test_two_minutes_of_churn() -> None:
    """No packet of those who are not concerned is lost, nothing is gathered, and all is as before when it is over."""
    found = soak(SECONDS, seed=int(time.time()))
    assert found.faults == (), f"seed {found.seed}"
    assert found.samples[-1].sent > 100 * SECONDS
    assert len({what.partition(":")[0] for _, what in found.deeds}) > len(set(DEEDS)) / 2, found.deeds
