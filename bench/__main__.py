# SPDX-License-Identifier: Apache-2.0
"""`python -m bench`: measure, print the tables, write build/bench.json and build/bench.svg."""

from __future__ import annotations

import itertools
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import machine, table
from bench.bpf import BUILD
from bench.chart import draw
from bench.measures import MEASURES
from bench.results import report, to_json
from bench.rounds import standing, take
from bench.rows import ROWS
from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from types import FrameType

    from bench.bed import Bed
    from bench.results import Figures, Report
    from bench.rows import Row


BUSY = 0.5
"""Load at the beginning beyond which a run is not worth much."""


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each row is measured.")] = 5,
    rows: Annotated[str, typer.Option(metavar="NAME,...", help="Which rows to measure.")] = ",".join(ROWS),
    seconds: Annotated[int, typer.Option(min=1, help="How long each stream and each run of packets is.")] = 2,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the labs standing until Ctrl-C, to look into.")] = False,  # noqa: FBT002
) -> None:
    """How fast vxnet is beside a bare redirect, Linux's bridge, its VXLAN and Open vSwitch, on this machine (root)."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        run(chosen(rows), rounds, seconds, keep=keep)
    except VxnetError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def chosen(names: str) -> list[Row]:
    """The rows of a list of names with commas between, in the order of the table."""
    wanted = {name.strip() for name in names.split(",")}
    for unknown in sorted(wanted - ROWS.keys()):
        raise typer.BadParameter(f"there is no row {unknown!r}; there are: {', '.join(ROWS)}", param_hint="--rows")
    return [row for name, row in ROWS.items() if name in wanted]


def run(rows: list[Row], rounds: int, seconds: int, *, keep: bool) -> None:
    """Build, measure, show, clean up; progress goes to stderr."""
    about = machine.this()
    console = Console(stderr=True, highlight=False)
    if about.load > BUSY:
        warning = f"this machine is busy with something else (load {about.load}): figures will be low and scattered"
        console.print(f"bench: {warning}", soft_wrap=True)
    columns = (BarColumn(20), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        done = itertools.count()
        task = progress.add_task("", total=len(rows) * (1 + rounds * len(MEASURES)))

        def began(what: str) -> None:
            progress.update(task, description=what, completed=next(done))

        def measured(number: int, name: str, figures: Figures) -> None:
            values = (f"{column.number(getattr(figures, column.field)):>7} {column.unit}" for column in table.COLUMNS)
            console.print(f"round {number}  {name:14}{'  '.join(values)}")

        with standing(rows, began) as beds:
            found = report(take(beds, rounds, seconds, began, measured), seconds, about)
            progress.stop()
            show(found)  # before cleaning up: should that fail, nothing of what was measured is lost
            if keep:
                _hold(beds, console)


def show(found: Report) -> None:
    """Print the tables and write the files."""
    console = Console(highlight=False)
    console.print(table.medians(found))
    if found.ratios:
        console.print(table.ratios(found))
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.json").write_bytes(to_json(found))
    draw(found, BUILD / "bench.svg")
    console.print("build/bench.json, build/bench.svg")


def _hold(beds: dict[str, Bed], console: Console) -> None:
    """Say where the labs are, and wait for Ctrl-C."""
    for bed in beds.values():
        console.print(" ".join(node.namespace for node in (bed.a, bed.h1, bed.h2, bed.b)), soft_wrap=True)
    console.print("enter one by: nsenter --net=/run/netns/NAME; remove all by: Ctrl-C")
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End on SIGTERM as on Ctrl-C: the labs are taken down."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
