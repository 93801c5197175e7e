# SPDX-License-Identifier: Apache-2.0
"""Cost against size, both on logarithmic scales: what is a line upwards grows with what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.chart import INK, OUR_COLOUR, THEIR_COLOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

    from bench.scale.results import Networks, Report

NAMES = {
    "vxnet": "vxnet: segments",
    "linux": "Linux: bridge and VXLAN device for each",
    "linux-script": "the same, `ip` run for each step",
}
COLOURS = {"vxnet": OUR_COLOUR, "linux": THEIR_COLOUR, "linux-script": INK}


class Panel(NamedTuple):
    """What is drawn, in the unit of its title."""

    title: str
    value: Callable[[Networks], float | None]


PANELS = (
    Panel("until all are there, s", lambda row: row.made),
    Panel("kernel's memory, MiB", lambda row: row.kernel / (1 << 20)),
    Panel("to change one, ms", lambda row: 1000 * row.changed),
    Panel("small packets/s, of a host with one, %", lambda row: 100 * row.packets / row.packets_alone),
)


def draw(found: Report, file: Path) -> None:
    """Write the chart to ``file``, in the format of its suffix."""
    # Here and not above: this import takes longer than all the others together.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"svg.hashsalt": "vxnet", "font.size": 9, "text.color": INK, "axes.labelcolor": INK}):
        figure = Figure(figsize=(9, 5.4), layout="constrained", facecolor="white")
        for axes, panel in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
            _panel(axes, panel, found)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else {})


def _panel(axes: Axes, panel: Panel, found: Report) -> None:
    for way, name in NAMES.items():
        if way == "linux-script" and panel is not PANELS[0]:
            continue  # how they were made makes no difference to what they are
        points = list(_points(panel, found, way))
        if points:
            counts, values = zip(*points, strict=True)
            axes.plot(counts, values, marker="o", markersize=4, color=COLOURS[way], label=name)
            last = values[-1]
            axes.annotate(
                f"{last:.0f}" if last >= 100 else f"{last:.3g}", points[-1], (5, 3), textcoords="offset points"
            )
    axes.set_title(panel.title, fontsize=9, loc="left")
    axes.set_xscale("log")
    if panel is PANELS[-1]:
        axes.set_ylim(0, 130)
    else:
        axes.set_yscale("log")
    axes.spines[["top", "right"]].set_visible(False)


def _points(panel: Panel, found: Report, way: str) -> Iterator[tuple[int, float]]:
    for row in found.networks:
        value = panel.value(row)
        if row.way == way and value and row.count > 1:
            yield row.count, value
