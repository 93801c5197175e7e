# SPDX-License-Identifier: Apache-2.0
"""The rounds: all rows stand side by side, and are measured in turn.

    round 1    limit  bridge  kernel-vxlan  ovs-userspace  vxnet
    round 2    bridge  kernel-vxlan  ovs-userspace  vxnet  limit
    round 3    ...

A machine is now faster and now slower, for seconds or minutes: what is measured in turn is hit alike, and the median
leaves out what is hit alone. The order turns so that no row always follows the same one at the same place.
"""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

from bench.bed import made
from bench.measures import MEASURES
from bench.results import Figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.bed import Bed
    from bench.results import Rounds
    from bench.rows import Row

    Began = Callable[[str], object]
    Measured = Callable[[int, str, Figures], object]


@contextlib.contextmanager
def standing(rows: Sequence[Row], began: Began) -> Iterator[dict[str, Bed]]:
    """Make the labs of all ``rows``, each with frames passing both ways; ``began`` is told what is being made.

    Raises LabError or HostError if one cannot be made. All are gone in the end, whatever happens.
    """
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.getsignal(number))
        try:
            beds = {}
            for row in rows:
                began(f"building {row.name}: {row.what}")
                bed = stack.enter_context(made(row.name))
                stack.enter_context(row.running(bed))
                bed.settle()
                beds[row.name] = bed
            yield beds
        finally:
            began("cleaning up")
            for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C would leave half of it behind
                signal.signal(number, signal.SIG_IGN)


def take(beds: Mapping[str, Bed], rounds: int, seconds: int, began: Began, measured: Measured) -> Rounds:
    """Measure every bed in every round; ``began`` is told each measure, ``measured`` each row's figures of a round."""
    found: dict[str, list[Figures]] = {name: [] for name in beds}
    for number in range(rounds):
        for name in turned(tuple(beds), number):
            beds[name].settle()  # what was learned or resolved may have aged
            values = {}
            for measure in MEASURES:
                began(f"round {number + 1} of {rounds}: {name}, {measure.name}")
                values[measure.field] = measure.take(beds[name], seconds)
            figures = Figures(**values)
            found[name].append(figures)
            measured(number + 1, name, figures)
    return {name: tuple(figures) for name, figures in found.items()}


def turned(names: tuple[str, ...], number: int) -> tuple[str, ...]:
    """The order of round ``number``, counted from 0: each round begins with the next name."""
    first = number % len(names)
    return names[first:] + names[:first]
