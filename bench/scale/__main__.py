# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.scale`: measure, print the tables, write build/bench-scale.json, .md and .svg."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from bench import machine
from bench.bpf import BUILD
from bench.markdown import filled, markdown, measured_on, shown
from bench.scale.chart import draw
from bench.scale.fdb import EACH, fdb
from bench.scale.pairs import WAYS, pairs
from bench.scale.remotes import remotes
from bench.scale.results import Report
from bench.scale.segments import segments
from bench.scale.table import tables
from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.scale.results import Fdb, Networks, Remotes


MARK = "bench-scale"
"""Of the figures on a page of the documentation."""


def main(
    *,
    segment_counts: Annotated[str, typer.Option("--segments", metavar="N,...")] = "1000,5000,20000,100000",
    pair_counts: Annotated[str, typer.Option("--pairs", metavar="N,...")] = "1000,5000",
    fdb_counts: Annotated[str, typer.Option("--fdb", metavar="N,...")] = f"{EACH},1000000",
    remote_counts: Annotated[str, typer.Option("--remotes", metavar="N,...")] = "10,100,2000",
    page: Annotated[str, typer.Option(metavar="FILE", help="A page to put the tables into.")] = "",
) -> None:
    """What it costs to have many segments, FDB entries, remotes; beside Linux's own, on this machine (root).

    Empty leaves one out: --pairs "".
    """
    console = Console(highlight=False)
    about = machine.this()
    found: dict[str, list[Networks | Fdb | Remotes]] = {"networks": [], "fdb": [], "remotes": []}
    try:
        for what, figures in _measured(segment_counts, pair_counts, fdb_counts, remote_counts):
            found[what].append(figures)
            console.print(f"{what}: {msgspec.json.encode(figures).decode()}", soft_wrap=True)
    except VxnetError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    report = msgspec.convert({"machine": msgspec.to_builtins(about), **msgspec.to_builtins(found)}, Report)
    every = list(tables(report))
    for table in every:
        console.print(shown(table))
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench-scale.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    text = f"{measured_on(about, 'make bench-scale')}\n\n{markdown(every)}\n"
    (BUILD / "bench-scale.md").write_text(text, encoding="utf-8")
    if page:
        Path(page).write_text(filled(Path(page).read_text(encoding="utf-8"), text, MARK), encoding="utf-8")
    draw(report, Path(BUILD / "bench-scale.svg"))
    console.print("build/bench-scale.json, build/bench-scale.md, build/bench-scale.svg")


def _measured(
    segment_counts: str, pair_counts: str, fdb_counts: str, remote_counts: str
) -> Iterator[tuple[str, Networks | Fdb | Remotes]]:
    for count in _numbers(segment_counts, "--segments"):
        yield "networks", segments(count)
    for count in _numbers(pair_counts, "--pairs"):
        yield from (("networks", pairs(count, way)) for way in WAYS)
    for count in _numbers(fdb_counts, "--fdb"):
        yield "fdb", fdb(count)
    for count in _numbers(remote_counts, "--remotes"):
        yield "remotes", remotes(count)


def _numbers(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not of the form N,N,...", param_hint=option) from None


if __name__ == "__main__":
    typer.run(main)
