# SPDX-License-Identifier: Apache-2.0
"""What the cluster's benchmark makes of what it measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cluster.__main__ import MARK
from bench.cluster.ping import First, Pings
from bench.cluster.results import Two, met, two
from bench.markdown import Table, filled, markdown
from vxnet.errors import VxnetError

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


@pytest.mark.parametrize(
    ("seconds", "both"),
    [
        ([0.002], Two(2.0, 2.0)),
        ([number / 1000 for number in range(1, 101)], Two(50.5, 99.0)),
        ([number / 1000 for number in range(200, 0, -1)], Two(100.5, 198.0)),
    ],
)
def test_median_and_p99(seconds: list[float], both: Two) -> None:
    """Of 100 values one may be above p99, of 200 two; in milliseconds, in whatever order they come."""
    found = two(seconds)
    assert (found.median, found.p99) == pytest.approx((both.median, both.p99))


def test_of_nothing_there_is_no_median() -> None:
    """A run in which nothing was measured has no figures."""
    with pytest.raises(ValueError, match="no median"):
        two([])


@pytest.mark.parametrize(("store", "reached"), [("sqlite", False), ("etcd", True)])
def test_targets(store: str, *, reached: bool) -> None:
    """150 ms is too long with SQLite, and short enough with etcd; the slowest of 100 is left out."""
    ports = (*(First(0.01, 0.15) for _ in range(99)), First(0.01, 9.0))
    assert met(Pings(store=store, networks=1, server_cpu_ms=0, agent_cpu_ms=0, ports=ports)) is reached


def test_markdown() -> None:
    """A table has its title, its head, a rule and its rows."""
    table = Table("Some", ("what", "ms"), (("a", "1"), ("b", "2")))
    assert markdown([table]) == "Some:\n\n| what | ms |\n| --- | --- |\n| a | 1 |\n| b | 2 |"


def test_a_page_is_filled_between_its_marks() -> None:
    """What stands around the marks stays, however often it is filled."""
    page = f"# Head\n\n{BEGIN}\nold\n{END}\n\ntail\n"
    once = filled(page, "new\n", "figures")
    assert once == f"# Head\n\n{BEGIN}\nnew\n{END}\n\ntail\n"
    assert filled(once, "new", "figures") == once


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}\n{BEGIN}\n"])
def test_a_page_without_marks(page: str) -> None:
    """Figures are not put anywhere."""
    with pytest.raises(VxnetError, match=BEGIN):
        filled(page, "new", "figures")


def test_the_documentation_has_one_place_for_the_figures() -> None:
    """The page has both marks, each once, and figures of every part between them."""
    page = (Path(__file__).parents[2] / "docs" / "cluster-performance.md").read_text()
    begin, end = f"<!-- {MARK} -->", f"<!-- /{MARK} -->"
    assert [page.count(mark) for mark in (begin, end)] == [1, 1]
    figures = page.partition(begin)[2].partition(end)[0]
    assert [words in figures for words in ("requests/s", "ping answered", "hosts concerned", "MiB")] == [True] * 4
