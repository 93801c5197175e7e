# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.profile`: where each nanosecond of a small packet goes, in vxnet and in the limit (root, perf).

    1. packets a second of each row, in turn, without perf         -->  nanoseconds a packet
    2. perf while packets flow, samples of the generator alone     -->  each function's share of the time

The generator is busy all the time and all of a packet's way runs in its context, so a function's share of the samples
is its share of a packet's nanoseconds. build/perf-ROW.data stay there for `perf report`.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from bench.bpf import BUILD
from bench.measures import packets
from bench.rounds import standing
from bench.rows import ROWS
from vxnet.errors import HostError, VxnetError

if TYPE_CHECKING:
    from bench.bed import Bed

Profile = dict[str, float]
"""Nanoseconds a packet for each function."""

SMALL = 2.0
"""Nanoseconds of difference below which a function is one of "all others": the samples do not tell more."""

SAMPLE = re.compile(r"^\s*([\d.]+)%\s*;\s*\[(.)\]\s*(\S.*?)\s*$")
PROGRAM = re.compile(r"bpf_prog_[0-9a-f]{16}_(\w+)")


def main(
    row: Annotated[str, typer.Option(help="The row to explain.")] = "vxnet",
    against: Annotated[str, typer.Option(help="The row to compare it with.")] = "limit",
    rounds: Annotated[int, typer.Option(min=1, help="How often each row's packets are counted.")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="How long perf looks at each row.")] = 10,
) -> None:
    """Where each nanosecond of a small packet goes: two rows side by side, function by function."""
    names = (row, against)
    for name in names:
        if name not in ROWS:
            raise typer.BadParameter(f"there is no row {name!r}; there are: {', '.join(ROWS)}")
    console = Console(highlight=False)
    status = console.status("")
    try:
        with status, standing([ROWS[name] for name in dict.fromkeys(names)], status.update) as beds:
            rates: dict[str, list[float]] = {name: [] for name in beds}
            for number in range(rounds):
                for name, bed in beds.items():
                    status.update(f"round {number + 1} of {rounds}: {name}")
                    bed.settle()
                    rates[name].append(packets.take(bed, 2))
            profiles = {}
            for name, bed in beds.items():
                status.update(f"perf: {name}")
                bed.settle()
                profiles[name] = scaled(shares(sampled(name, bed, seconds)), 1e9 / statistics.median(rates[name]))
    except VxnetError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    console.print(table(row, profiles[row], against, profiles[against]))


def sampled(name: str, bed: Bed, seconds: int) -> str:
    """What `perf report` says of ``seconds`` of packets. Raises HostError if perf is not there or does not work."""
    BUILD.mkdir(exist_ok=True)
    data = str(BUILD / f"perf-{name}.data")
    with packets.flowing(bed):
        _perf("record", "--all-cpus", "--output", data, "--", "sleep", str(seconds), timeout=seconds + 30)
    only = ("--comm", "trafgen", "--percentage", "relative", "--no-children")
    form = ("--stdio", "--fields", "overhead,symbol", "--field-separator", ";")
    return _perf("report", "--input", data, *only, *form, timeout=60)


def _perf(*words: str, timeout: float) -> str:
    try:
        done = subprocess.run(("perf", *words), capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise HostError("perf is not installed (Debian: apt-get install linux-perf)") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"perf {words[0]}: no end after {timeout:g} s") from None
    if done.returncode != 0:
        raise HostError(f"perf {words[0]}: {done.stderr.strip().rpartition(chr(10))[2]}")
    return done.stdout


def shares(said: str) -> Profile:
    """The part, from 0 to 1, of each function in the output of `perf report`; the generator's own code is one."""
    found: Profile = defaultdict(float)
    for line in said.splitlines():
        if sample := SAMPLE.match(line):
            percent, where, symbol = sample.groups()
            program = PROGRAM.fullmatch(symbol)
            function = "trafgen itself" if where == "." else f"eBPF: {program[1]}" if program else symbol
            found[function] += float(percent) / 100
    return dict(found)


def scaled(parts: Profile, whole: float) -> Profile:
    """``parts`` of 1 as parts of ``whole``; perf leaves out the smallest, and rounds."""
    total = sum(parts.values())
    return {function: part / total * whole for function, part in parts.items()}


def table(row: str, ours: Profile, against: str, theirs: Profile) -> Table:
    """Both profiles, and what ``row`` spends more or less: the greatest difference first."""
    shown = Table(title="nanoseconds a packet", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("function", no_wrap=True)
    for title in (row, against, "difference"):
        shown.add_column(title, justify="right", no_wrap=True)
    pairs = {name: (ours.get(name, 0.0), theirs.get(name, 0.0)) for name in {**ours, **theirs}}
    large = {name: pair for name, pair in pairs.items() if abs(pair[0] - pair[1]) >= SMALL}
    for name, pair in sorted(large.items(), key=lambda item: item[1][1] - item[1][0]):
        shown.add_row(name, *_cells(*pair))
    rest = [pair for name, pair in pairs.items() if name not in large]
    shown.add_row(f"{len(rest)} others", *_cells(sum(one for one, _ in rest), sum(other for _, other in rest)))
    shown.add_section()
    shown.add_row("all", *_cells(sum(ours.values()), sum(theirs.values())), style="bold")
    return shown


def _cells(one: float, other: float) -> tuple[str, str, str]:
    return f"{one:.1f}", f"{other:.1f}", f"{one - other:+.1f}"


if __name__ == "__main__":
    typer.run(main)
