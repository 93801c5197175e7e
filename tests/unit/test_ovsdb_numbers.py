# SPDX-License-Identifier: Apache-2.0
"""Numbers that the database has as text."""

from __future__ import annotations

import pytest

from vxnet.sources.ovsdb.numbers import MOST, setting


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("0", 0),
        ("300", 300),
        ("0" * 5000 + "7", 7),
        (str(MOST), MOST),
        (str(MOST + 1), MOST),
        ("9" * 5000, MOST),
        ("-1", 0),
        ("1.5", 0),
        ("x", 0),
        ("\u0661", 0),
    ],
)
def test_settings(text: str, number: int) -> None:
    """What is no number is 0, and no number is above what Open vSwitch knows."""
    assert setting(text) == number
