# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios, targets, and the form of build/bench.json."""

from __future__ import annotations

import json

import msgspec
import pytest

from bench.machine import Machine
from bench.results import Figures, Report, Rounds, medians, ratios, report, spread, to_json
from bench.rounds import turned
from bench.rows import ROWS
from bench.targets import TARGETS, Target

MACHINE = Machine(
    date="2026-01-01T00:00:00+00:00",
    vxnet="0",
    kernel="6.1.0",
    architecture="x86_64",
    cpu="a CPU",
    cores=2,
    load=0.1,
    tools={"iperf3": "3.12"},
)


def figures(tcp: float, rr: float, pps: float) -> Figures:
    """Figures of one round."""
    return Figures(tcp_gbps=tcp, rr_us=rr, pps=pps)


ROUNDS: Rounds = {
    "limit": (figures(20, 2, 1000), figures(22, 3, 900), figures(1, 2.5, 1100)),
    "kernel-vxlan": (figures(16, 4, 400), figures(15, 5, 300), figures(17, 3, 5000)),
    "vxnet": (figures(18, 2.5, 800), figures(19, 2.4, 960), figures(20, 9, 1000)),
}


def test_medians_are_taken_field_by_field() -> None:
    """One bad round moves no median."""
    assert medians(ROUNDS["limit"]) == figures(20, 2.5, 1000)
    assert medians(ROUNDS["kernel-vxlan"]) == figures(16, 4, 400)


def test_median_of_an_even_number_of_rounds_lies_between() -> None:
    """Two rounds are worth the same."""
    assert medians(ROUNDS["limit"][:2]) == figures(21, 2.5, 950)


def test_spread_is_lowest_and_highest() -> None:
    """What the median leaves out is still told."""
    assert spread(ROUNDS["limit"], "tcp_gbps") == (1, 22)


def test_ratios_are_vxnet_divided_by_the_row() -> None:
    """Above 1 is more: good for streams and packets, bad for latency."""
    rows = {name: medians(rounds) for name, rounds in ROUNDS.items()}
    assert ratios(rows) == pytest.approx(
        {
            "tcp_vs_limit": 19 / 20,
            "tcp_vs_kernel-vxlan": 19 / 16,
            "rr_vs_limit": 1.0,
            "rr_vs_kernel-vxlan": 2.5 / 4,
            "pps_vs_limit": 0.96,
            "pps_vs_kernel-vxlan": 2.4,
        }
    )


def test_no_ratios_without_vxnet() -> None:
    """Rows may be measured without it, and then there is nothing to compare."""
    assert ratios({"limit": figures(1, 1, 1)}) == {}


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (Target("x", "at least", 2.4), 2.4, True),
        (Target("x", "at least", 2.4), 2.39, False),
        (Target("x", "at most", 0.72), 0.72, True),
        (Target("x", "at most", 0.72), 0.73, False),
    ],
)
def test_target_is_met_at_its_bound(target: Target, value: float, *, met: bool) -> None:
    """The bound itself is good enough, and the value is kept whatever it is."""
    reached = target.reached(value)
    assert reached.met is met
    assert reached.reached == value


def test_every_target_is_about_a_ratio_there_is() -> None:
    """A target with a wrong name would silently never be reported."""
    rows = dict.fromkeys(ROWS, figures(1, 1, 1))
    assert {target.ratio for target in TARGETS} <= ratios(rows).keys()


def test_only_targets_that_were_measured_are_reported() -> None:
    """Without the bridge nothing is said about the bridge."""
    reported = {target.ratio: target.met for target in report(ROUNDS, 2, MACHINE).targets}
    assert reported == {
        "pps_vs_kernel-vxlan": True,
        "pps_vs_limit": True,
        "rr_vs_kernel-vxlan": True,
        "rr_vs_limit": True,
        "tcp_vs_kernel-vxlan": True,
        "tcp_vs_limit": True,
    }


def test_json_has_its_fixed_form() -> None:
    """Other programs read rows and ratios by these names."""
    found = json.loads(to_json(report(ROUNDS, 2, MACHINE)))
    assert found["rows"]["limit"] == {"tcp_gbps": 20.0, "rr_us": 2.5, "pps": 1000.0}
    assert list(found["rows"]) == list(ROUNDS)
    assert found["ratios"]["pps_vs_kernel-vxlan"] == pytest.approx(2.4)
    assert len(found["rounds"]["vxnet"]) == 3
    assert found["machine"]["kernel"] == "6.1.0"


def test_json_keeps_everything() -> None:
    """What was written can be read and shown again."""
    written = report(ROUNDS, 2, MACHINE)
    assert msgspec.json.decode(to_json(written), type=Report) == written


def test_rows_have_their_fixed_names_and_order() -> None:
    """The names in bench.json, from what cannot be beaten to ours."""
    assert list(ROWS) == ["limit", "bridge", "kernel-vxlan", "ovs-userspace", "vxnet"]
    assert all(name == row.name for name, row in ROWS.items())


def test_each_round_begins_with_another_row() -> None:
    """No row always comes first, and after as many rounds as rows it begins anew."""
    names = ("a", "b", "c")
    assert [turned(names, number) for number in range(4)] == [
        ("a", "b", "c"),
        ("b", "c", "a"),
        ("c", "a", "b"),
        ("a", "b", "c"),
    ]
