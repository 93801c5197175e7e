# SPDX-License-Identifier: Apache-2.0
"""What the benchmark of sizes makes of what it measured."""

from __future__ import annotations

from pathlib import Path

from bench import machine
from bench.markdown import markdown
from bench.scale.__main__ import MARK
from bench.scale.chart import draw
from bench.scale.results import Fdb, Networks, Remotes, Report
from bench.scale.table import tables

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
REPORT = Report(
    machine=machine.this(),
    networks=tuple(
        Networks(
            way=way,
            count=count,
            made=count / 1000,
            told=None,
            changed=0.01,
            changed_file=None,
            kernel=count * 1024,
            daemon=0,
            packets=99.0,
            packets_alone=100.0,
        )
        for way in ("vxnet", "linux")
        for count in (1, 1000, 5000)
    ),
    fdb=(Fdb(entries=65536, learned=1.0, found=2000.0, sweep=0.5, dump=3.0),),
    remotes=(Remotes(remotes=2000, made=0.1, changed=0.05, copies=300_000.0),),
)


def test_a_table_for_each_part() -> None:
    """All rows are there, in the units of their heads."""
    text = markdown(tables(REPORT))
    assert "| linux | 5000 | 5.00 |  | 10 |  | 4.9 | 1024 |  | 0.99 |" in text
    assert "| 65536 | 1.0 | 2 | 0.50 | 3.0 |" in text
    assert "| 2000 | 100 | 50 | 300 |" in text


def test_the_same_results_give_the_same_picture(tmp_path: Path) -> None:
    """A chart of both ways, whose file says nothing of when it was drawn."""
    files = [tmp_path / name for name in ("one.svg", "two.svg")]
    for file in files:
        draw(REPORT, file)
    one, two = (file.read_text(encoding="utf-8") for file in files)
    assert one == two
    assert "<svg" in one


def test_the_documentation_has_one_place_for_the_figures() -> None:
    """The page has both marks, each once, and figures of every part between them."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {MARK} -->", f"<!-- /{MARK} -->"
    assert [page.count(mark) for mark in (begin, end)] == [1, 1]
    figures = page.partition(begin)[2].partition(end)[0]
    assert all(f"{table.title}:" in figures for table in tables(REPORT))
