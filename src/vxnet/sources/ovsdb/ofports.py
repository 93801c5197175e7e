# SPDX-License-Identifier: Apache-2.0
"""OpenFlow port numbers: vxnet speaks no OpenFlow, but scripts read `ofport` and wait for it.

    the bridge's local port      65534
    ofport_request               that number, unless another Interface that asks for it has it
    otherwise                    the number it has, which the database keeps over restarts, or the next one
    an Interface that cannot be  -1

Numbers go upwards, as in Open vSwitch: one that became free is not given away again at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.sources.ovsdb.rows import LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vxnet.sources.ovsdb.rows import InterfaceRow

FAILED = -1
_FIRST, _LAST_CHOSEN, _LAST = 1, 32767, 65279
"""Numbers above 32767 are only given to those who ask for them."""


class Numbers:
    """The numbers of all bridges. It remembers the last one given in each; the rest is in the rows."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def of_bridge(self, bridge: str, interfaces: Iterable[InterfaceRow]) -> dict[str, int]:
        """Return the number of each of a bridge's working interfaces, by name."""
        rows = [row for row in interfaces if row.name != bridge]
        numbers = _asked(rows)
        taken = set(numbers.values())
        for row in rows:
            if row.name not in numbers and row.ofport is not None and _FIRST <= row.ofport <= _LAST:
                if row.ofport in taken:
                    continue
                numbers[row.name] = row.ofport
                taken.add(row.ofport)
        for row in rows:
            if row.name not in numbers:
                numbers[row.name] = self._next(bridge, taken)
                taken.add(numbers[row.name])
        return {bridge: LOCAL, **numbers}

    def forget(self, bridges: Iterable[str]) -> None:
        """Forget the bridges that are not among these."""
        kept = set(bridges)
        self._last = {bridge: last for bridge, last in self._last.items() if bridge in kept}

    def _next(self, bridge: str, taken: set[int]) -> int:
        number = self._last.get(bridge, 0)
        for _ in range(_LAST_CHOSEN):
            number = number + 1 if number < _LAST_CHOSEN else _FIRST
            if number not in taken:
                break
        self._last[bridge] = number
        return number


def _asked(rows: Iterable[InterfaceRow]) -> dict[str, int]:
    """Return the numbers of those who get what they ask for: who has it already, or else the first by name."""
    holders: dict[int, InterfaceRow] = {}
    for row in rows:
        if row.ofport_request is not None:
            holder = holders.setdefault(row.ofport_request, row)
            if row.ofport == row.ofport_request != holder.ofport:
                holders[row.ofport_request] = row
    return {row.name: number for number, row in holders.items()}
