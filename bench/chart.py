# SPDX-License-Identifier: Apache-2.0
"""The results as a picture: three panels, a bar for each way, each with its figure beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.results import OURS, spread
from bench.table import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from bench.results import Report
    from bench.table import Column

# Okabe and Ito's palette: told apart with any kind of colour vision, and by lightness alone.
OUR_COLOUR, THEIR_COLOUR, INK = "#0072B2", "#B5B5B5", "#333333"

BETTER = {"tcp_gbps": "more is better", "rr_us": "less is better", "pps": "more is better"}

FAR = 3.0
"""A bar that is this many times longer than the next is cut: it would leave nothing of the others to be seen."""


def draw(found: Report, file: Path) -> None:
    """Write the chart to ``file``, in the format of its suffix."""
    # Here and not above: this import takes longer than all the others together.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    # Names instead of random numbers and the date: the same results give the same file.
    with mpl.rc_context({"svg.hashsalt": "vxnet", "font.size": 9, "text.color": INK, "axes.labelcolor": INK}):
        figure = Figure(figsize=(9, 0.6 + 0.34 * len(found.rows)), layout="constrained", facecolor="white")
        panels = figure.subplots(1, len(COLUMNS), sharey=True, squeeze=False)[0]
        for axes, column in zip(panels, COLUMNS, strict=True):
            _panel(axes, column, found)
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else {})


def _panel(axes: Axes, column: Column, found: Report) -> None:
    """One measure: a bar for each row, a thin line from the lowest to the highest round, and the median in figures."""
    names = list(found.rows)
    spreads = [[edge / column.divisor for edge in spread(found.rounds[name], column.field)] for name in names]
    end = visible([high for _, high in spreads])
    for place, (name, (low, high)) in enumerate(zip(names, spreads, strict=True)):
        ours, cut = name == OURS, high > end
        median = getattr(found.rows[name], column.field)
        axes.barh(
            place, end if cut else median / column.divisor, height=0.68, color=OUR_COLOUR if ours else THEIR_COLOUR
        )
        if not cut:
            axes.plot((low, high), (place, place), color=INK, linewidth=1, solid_capstyle="butt")
        label = column.number(median) + " (bar cut)" * cut
        beside = (end if cut else high, place)
        axes.annotate(
            label, beside, (4, 0), textcoords="offset points", va="center", weight="bold" if ours else "normal"
        )
    axes.set_title(f"{column.title}, {column.unit}\n{BETTER[column.field]}", fontsize=9, loc="left")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, end * 1.32)
    axes.set_xticks([])
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.spines["left"].set_visible(True)
    axes.spines["left"].set_color(THEIR_COLOUR)
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first row on top


def visible(values: list[float]) -> float:
    """Where the longest bar or line ends: at the greatest value, unless that is `FAR` beyond the second."""
    *_, second, first = sorted([0.0, *values])
    return second * 1.3 if second and first > FAR * second else first
