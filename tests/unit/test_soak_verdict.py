# SPDX-License-Identifier: Apache-2.0
"""What a soak's samples show is judged: losses, and what grows; not what goes up and down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from soak.chart import draw
from soak.samples import Sample
from soak.verdict import Report, judge

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
ONE = Sample(
    at=0.0,
    deeds=0,
    rss=50 * MIB,
    descriptors=40,
    map_bytes=20 * MIB,
    fdb=10,
    programs=16,
    maps=57,
    devices=30,
    ping_median=30.0,
    ping_p99=80.0,
    pings_lost=0,
    sent=1000,
    lost=0,
    again=0,
)
STEADY = tuple(replace(ONE, at=float(n), rss=ONE.rss + n % 3 * MIB, fdb=n % 7) for n in range(40))


def test_what_goes_up_and_down_is_fine() -> None:
    """Memory that varies about the same value, and numbers of MACs, are no faults; nor is a run of a few samples."""
    assert judge(STEADY) == ()
    assert judge(STEADY[:1]) == ()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("lost", 3, "3 of 1000 packets of streams that nobody touched were lost"),
        ("again", 2, "2 packets arrived twice"),
        ("pings_lost", 1, "1 pings between machines that nobody touched were not answered"),
    ],
)
def test_what_is_lost_is_a_fault(field: str, value: int, said: str) -> None:
    """One packet is enough; packets that were only late when a sample was taken are none."""
    late = replace(STEADY[20], **{field: value})
    assert judge((*STEADY[:20], late, *STEADY[21:])) == ()
    assert judge((*STEADY, replace(ONE, **{field: value}))) == (said,)


@pytest.mark.parametrize(
    ("field", "step", "what"),
    [
        ("rss", MIB, "the daemon's memory grew from "),
        ("descriptors", 1, "the daemon's descriptors grew from "),
        ("map_bytes", MIB, "the maps' memory grew from "),
    ],
)
def test_what_grows_is_a_fault(field: str, step: int, what: str) -> None:
    """A little more with each sample is a leak."""
    (said,) = judge([replace(ONE, **{field: getattr(ONE, field) + n * step}) for n in range(40)])
    assert said.startswith(what)


def test_it_is_drawn(tmp_path: Path) -> None:
    """Every run can be drawn, one whose pings have no answer too; the same run gives the same file."""
    found = Report(
        seconds=40, seed=1, deeds=(), samples=(replace(ONE, ping_median=None, ping_p99=None), *STEADY), faults=()
    )
    for name in ("one.svg", "two.svg"):
        draw(found, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert b"</svg>" in (tmp_path / "one.svg").read_bytes()
