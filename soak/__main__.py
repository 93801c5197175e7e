# SPDX-License-Identifier: Apache-2.0
"""`python -m soak`: run it, print how it goes, write build/soak.json and build/soak.svg; 1 if anything was wrong."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from soak.chart import draw
from soak.run import soak
from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from types import FrameType

    from soak.samples import Sample

BUILD = Path(__file__).parents[1] / "build"


def main(
    seconds: Annotated[int, typer.Option(min=10, help="How long the churn goes on.")] = 3600,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed, the same deeds.", show_default="time")] = None,
) -> None:
    """Churn around machines that must not notice, for an hour: ports, moves, remotes, flaps, dying daemons (root)."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        found = soak(seconds, int(time.time()) if seed is None else seed, progress)
    except VxnetError as error:
        print(f"soak: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    BUILD.mkdir(exist_ok=True)
    (BUILD / "soak.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    draw(found, BUILD / "soak.svg")
    last = found.samples[-1]
    print(f"seed {found.seed}: {last.deeds} deeds, {last.sent} packets, {last.lost} lost; build/soak.json, soak.svg")
    for fault in found.faults:
        print(f"soak: {fault}")
    raise typer.Exit(1 if found.faults else 0)


def progress(sample: Sample) -> None:
    """Print a line, on a terminal over the one before."""
    median, p99 = (f"{value:.0f}" if value else "-" for value in (sample.ping_median, sample.ping_p99))
    line = (
        f"{sample.at:5.0f} s  {sample.deeds:5} deeds  {sample.lost} of {sample.sent} lost  "
        f"daemon {sample.rss / 2**20:.1f} MiB  maps {sample.map_bytes / 2**20:.1f} MiB  "
        f"{sample.programs} programs  {sample.fdb} MACs  ping {median}, p99 {p99} us"
    )
    print(line, end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End on SIGTERM as on Ctrl-C: the lab is taken down."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
