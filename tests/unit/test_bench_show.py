# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a benchmark: tables, chart, and which rows may be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import typer
from rich.console import Console

from bench import table
from bench.__main__ import chosen
from bench.chart import draw, visible
from bench.machine import Machine
from bench.results import Figures, Report, report

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

MACHINE = Machine(date="", vxnet="0", kernel="6.1.0", architecture="", cpu="", cores=2, load=0.1, tools={})
WIDTH = 80


def measured() -> Report:
    """A run of three rounds, with vxnet short of two targets and Open vSwitch far behind."""
    rows = {
        "limit": ((17.3, 2.68, 1329228), (9.0, 3.08, 1125753), (18.1, 2.70, 1300000)),
        "bridge": ((18.1, 2.89, 981768), (17.3, 3.18, 902802), (17.9, 2.90, 990000)),
        "kernel-vxlan": ((17.2, 3.63, 567045), (16.2, 3.91, 532374), (16.9, 3.70, 560000)),
        "ovs-userspace": ((1.74, 60.99, 117252), (1.76, 62.58, 90088), (1.75, 61.0, 100000)),
        "vxnet": ((17.6, 2.72, 1000000), (17.8, 2.80, 1020000), (17.7, 2.71, 1010000)),
    }
    rounds = {
        name: tuple(Figures(tcp_gbps=tcp, rr_us=rr, pps=pps) for tcp, rr, pps in values)
        for name, values in rows.items()
    }
    return report(rounds, 2, MACHINE)


def printed(shown: Table) -> list[str]:
    """The lines of a table, as an 80-column terminal shows it, with single spaces."""
    console = Console(width=WIDTH)
    with console.capture() as capture:
        console.print(shown)
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= WIDTH
    return [" ".join(line.split()) for line in lines]


def test_medians_are_shown_with_their_spread() -> None:
    """Median first, the lowest and the highest round in brackets, nothing cut at 80 columns."""
    lines = printed(table.medians(measured()))
    assert "limit 17.3 (9.0-18.1) 2.70 (2.68-3.08) 1300 (1126-1329)" in lines
    assert "ovs-userspace 1.8 (1.7-1.8) 61.00 (60.99-62.58) 100 (90-117)" in lines


def test_ratios_are_shown_beside_what_is_to_be_reached() -> None:
    """A missed target is said as plainly as one that is met, and vxnet is not compared with itself."""
    lines = printed(table.ratios(measured()))
    assert "limit 1.02 (≥ 0.95: yes) 1.01 (≤ 1.05: yes) 0.78 (≥ 0.85: no)" in lines
    assert "bridge 0.99 0.94 1.03 (≥ 1.30: no)" in lines
    assert not [line for line in lines if line.startswith("vxnet ")]


def test_chart_is_a_drawing_and_always_the_same(tmp_path: Path) -> None:
    """The same results give the same bytes, so that a chart in a repository changes only when they do."""
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    draw(measured(), first)
    draw(measured(), second)
    assert ET.parse(first).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own file
    assert first.read_bytes() == second.read_bytes()


def test_chart_as_png(tmp_path: Path) -> None:
    """The suffix says the format."""
    draw(measured(), tmp_path / "1.png")
    assert (tmp_path / "1.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0], 3.0),
        ([2.0, 61.0, 3.0], 3.9),  # cut a little beyond the second
        ([1.0, 3.0], 3.0),  # three times the second is still shown
        ([5.0], 5.0),
    ],
)
def test_one_bar_does_not_hide_the_others(values: list[float], expected: float) -> None:
    """A bar far beyond all others is cut, any other is drawn whole."""
    assert visible(values) == pytest.approx(expected)


def test_rows_are_chosen_by_name_in_the_order_of_the_table() -> None:
    """Spaces do no harm, and neither does the order."""
    assert [row.name for row in chosen("vxnet, limit")] == ["limit", "vxnet"]


@pytest.mark.parametrize("names", ["nosuch", "limit,nosuch", ""])
def test_an_unknown_row_is_refused(names: str) -> None:
    """Measuring less than was asked for would look like success."""
    with pytest.raises(typer.BadParameter, match="there is no row"):
        chosen(names)
