# SPDX-License-Identifier: Apache-2.0
"""The results as a person reads them: medians with their spread, then ratios with what is to be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich import box
from rich.table import Table

from bench.results import OURS, ratio_name, spread

if TYPE_CHECKING:
    from bench.results import Report


class Column(NamedTuple):
    """A field of the results as it is shown: in ``unit``, divided by ``divisor``, with ``digits`` after the point."""

    field: str
    title: str
    unit: str
    divisor: float
    digits: int

    def number(self, value: float) -> str:
        """``value``, without its unit."""
        return f"{value / self.divisor:.{self.digits}f}"


COLUMNS = (
    Column("tcp_gbps", "TCP stream", "Gbit/s", 1, 1),
    Column("rr_us", "TCP ping-pong", "µs", 1, 2),
    Column("pps", "small packets", "1000/s", 1000, 0),
)


def medians(found: Report) -> Table:
    """A row for each way, with the lowest and the highest of all rounds in brackets."""
    count = max(map(len, found.rounds.values()))
    table = _table(f"medians of {count} round{'s' if count > 1 else ''} (lowest-highest)", units=True)
    for name, figures in found.rows.items():
        cells = []
        for column in COLUMNS:
            low, high = spread(found.rounds[name], column.field)
            median = column.number(getattr(figures, column.field))
            cells.append(f"{median} ({column.number(low)}-{column.number(high)})")
        table.add_row(name, *cells, style="bold" if name == OURS else "")
    return table


def ratios(found: Report) -> Table:
    """A row for each way but vxnet: vxnet's median divided by its, and what is to be reached."""
    targets = {target.ratio: target for target in found.targets}
    table = _table(f"{OURS}'s median divided by the row's (what is to be reached: is it?)")
    for peer in found.rows:
        if peer == OURS:
            continue
        cells = []
        for column in COLUMNS:
            name = ratio_name(column.field, peer)
            cell = f"{found.ratios[name]:.2f}"
            if target := targets.get(name):
                colour = "green" if target.met else "yellow"
                sign = "≥" if target.bound == "at least" else "≤"
                cell += f" [{colour}]({sign} {target.target:.2f}: {'yes' if target.met else 'no'})[/]"
            cells.append(cell)
        table.add_row(peer, *cells)
    return table


def _table(title: str, *, units: bool = False) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in COLUMNS:
        table.add_column(f"{column.title}\n{column.unit}" if units else column.title, justify="right", no_wrap=True)
    return table
