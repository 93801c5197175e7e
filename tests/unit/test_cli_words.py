# SPDX-License-Identifier: Apache-2.0
"""Numbers in words: the forms people know from `wg show`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vxnet.cli.words import ago, count, size, span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.9, "now"),
        (1, "1 second ago"),
        (59.99, "59 seconds ago"),
        (63, "1 minute, 3 seconds ago"),
        (7200, "2 hours ago"),
        (86400 + 60, "1 day, 1 minute ago"),
        (2 * 365 * 86400, "2 years ago"),
    ],
)
def test_ago(seconds: float, words: str) -> None:
    """Units that are zero are left out, singular and plural are right, seconds are rounded down."""
    assert ago(seconds) == words


def test_span_of_nothing() -> None:
    """A time of no length is said, not left empty."""
    assert span(0) == "0 seconds"


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (3 * 1024, "3 KiB"),
        (1536, "1.5 KiB"),
        (1268777, "1.21 MiB"),
        (1024**2 - 1, "1 MiB"),
        (5 * 1024**4, "5 TiB"),
        (2**64 - 1, "16384 PiB"),
    ],
)
def test_size(octets: int, words: str) -> None:
    """Units of 1024, two decimals at most, none that say nothing."""
    assert size(octets) == words


@given(st.integers(min_value=0, max_value=2**59))
def test_size_is_near_and_short(octets: int) -> None:
    """What is said is within half of the last digit, and its number is always below 1024."""
    number, unit = size(octets).split()
    exact = octets / 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].index(unit)
    assert float(number) == pytest.approx(exact, abs=0.0051)
    assert float(number) < 1024


def test_count() -> None:
    """One is singular."""
    assert [count(n, "MAC") for n in (0, 1, 2)] == ["0 MACs", "1 MAC", "2 MACs"]
