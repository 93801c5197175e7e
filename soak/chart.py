# SPDX-License-Identifier: Apache-2.0
"""A soak as a picture: what must not grow, what must not rise, what must stay zero; one panel each, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.chart import INK, OUR_COLOUR, THEIR_COLOUR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes

    from soak.samples import Sample
    from soak.verdict import Report

    Line = tuple[str, Callable[[Sample], float | None]]

_MIB = 1 << 20

PANELS: tuple[tuple[str, tuple[Line, ...]], ...] = (
    ("memory of the daemon that lasts, MiB", (("resident", lambda s: s.rss / _MIB),)),
    ("its descriptors", (("open", lambda s: s.descriptors),)),
    ("memory of all maps, MiB", (("as the kernel counts it", lambda s: s.map_bytes / _MIB),)),
    ("FDB entries on all hosts", (("entries", lambda s: s.fdb),)),
    (
        "programs, maps and devices on all hosts",
        (("maps", lambda s: s.maps), ("programs", lambda s: s.programs), ("devices", lambda s: s.devices)),
    ),
    ("round trip, µs", (("p99", lambda s: s.ping_p99), ("median", lambda s: s.ping_median))),
    ("packets lost of those sent", (("lost", lambda s: s.lost),)),
)


def draw(found: Report, file: Path) -> None:
    """Write the chart to ``file``, in the format of its suffix."""
    # Here and not above: this import takes longer than all the others together.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"svg.hashsalt": "vxnet", "font.size": 9, "text.color": INK, "axes.labelcolor": INK}):
        figure = Figure(figsize=(9, 1.3 * len(PANELS)), layout="constrained", facecolor="white")
        panels = figure.subplots(len(PANELS), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (title, lines) in zip(panels, PANELS, strict=True):
            _panel(axes, title, lines, found)
        panels[-1].set_xlabel("minutes")
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else {})


def _panel(axes: Axes, title: str, lines: tuple[Line, ...], found: Report) -> None:
    minutes = [sample.at / 60 for sample in found.samples]
    colours = (THEIR_COLOUR, OUR_COLOUR, INK)[-len(lines) :] if len(lines) > 1 else (OUR_COLOUR,)
    for (name, of), colour in zip(lines, colours, strict=True):
        values = [float("nan") if (value := of(sample)) is None else value for sample in found.samples]
        axes.plot(minutes, values, color=colour, linewidth=1.2, label=name)
    if len(lines) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_ylim(bottom=0)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.spines["left"].set_visible(True)
    axes.spines["left"].set_color(THEIR_COLOUR)
