# SPDX-License-Identifier: Apache-2.0
"""Numbers as people say them; as `wg show` does."""

from __future__ import annotations

_YEAR, _DAY, _HOUR, _MINUTE = 365 * 86400, 86400, 3600, 60


def span(seconds: float) -> str:
    """Return a time: ``1 minute, 3 seconds``. Whole seconds, rounded down."""
    left, parts = int(seconds), []
    for length, unit in ((_YEAR, "year"), (_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second")):
        number, left = divmod(left, length)
        if number:
            parts.append(count(number, unit))
    return ", ".join(parts) or "0 seconds"


def ago(seconds: float) -> str:
    """Return how long ago something was: ``1 minute, 3 seconds ago``, or ``now`` within the same second."""
    return f"{span(seconds)} ago" if seconds >= 1 else "now"


def size(octets: int) -> str:
    """Return an amount of data: ``980 B``, ``3 KiB``, ``1.21 MiB``. Two decimals at most."""
    if octets < 1024:
        return f"{octets} B"
    amount, units = octets / 1024, ["PiB", "TiB", "GiB", "MiB", "KiB"]
    while round(amount, 2) >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop()
    return f"{amount:.2f}".rstrip("0").rstrip(".") + f" {units[-1]}"


def count(number: int, thing: str) -> str:
    """Return a number of things: ``1 MAC``, ``2 MACs``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
