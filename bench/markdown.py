# SPDX-License-Identifier: Apache-2.0
"""Tables of results: for a terminal, and, the same, for the documentation, between the marks of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import rich.table
from rich import box

from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.machine import Machine


class Table(NamedTuple):
    """A head and rows, all of as many cells."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def shown(table: Table) -> rich.table.Table:
    """Return it for a terminal."""
    found = rich.table.Table(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in table.head:
        found.add_column(head, justify="right")
    for row in table.rows:
        found.add_row(*row)
    return found


def markdown(tables: Iterable[Table]) -> str:
    """Return them as Markdown, each below its title."""
    return "\n\n".join(
        "\n".join(
            (f"{table.title}:", "", *(f"| {' | '.join(row)} |" for row in (table.head, _rule(table), *table.rows)))
        )
        for table in tables
    )


def _rule(table: Table) -> tuple[str, ...]:
    return ("---",) * len(table.head)


def filled(page: str, figures: str, mark: str) -> str:
    """Return the page with these figures in the place of those between ``<!-- MARK -->`` and ``<!-- /MARK -->``.

    VxnetError if it has not both, each on a line of its own.
    """
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = page.partition(f"{begin}\n")
    _, over, after = rest.partition(f"{end}\n")
    if not found or not over:
        raise VxnetError(f"the page has no {begin} with {end} after it, each on a line of its own")
    return f"{before}{begin}\n{figures.strip()}\n{end}\n{after}"


def measured_on(machine: Machine, command: str) -> str:
    """Say by which command, when, and on what, in a line."""
    cores = f"{machine.cores} cores, Linux {machine.kernel.partition('-')[0]}"
    return f"`{command}`, {machine.date[:10]}, {cores}, load of {machine.load} when it began."
