# SPDX-License-Identifier: Apache-2.0
"""Numbers that the database holds as text, however many digits somebody has written there."""

from __future__ import annotations

MOST = 2**31 - 1
"""The greatest that Open vSwitch's smap_get_int() knows."""


def setting(text: str) -> int:
    """Return a number of a column such as other_config: at most `MOST`, and 0 for what is none."""
    if not (text.isascii() and text.isdigit()):
        return 0
    digits = text.lstrip("0")
    return min(int(digits or "0"), MOST) if len(digits) <= len(str(MOST)) else MOST
