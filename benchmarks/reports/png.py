"""The picture of the README, by matplotlib: it brings its fonts along, so that the picture is the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.reports.axes import Axis, tick_text
from benchmarks.reports.plots import Dots, Lines
from benchmarks.reports.svg import COLOURS, OURS

__all__ = ["write"]


def write(path: Path, plots: Sequence[Lines | Dots]) -> None:
    """Draw all plots below each other.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: there is nothing to draw.
    """
    if not plots:
        raise ValueError("nothing to draw: the picture is made of the scenarios round-trip and sizes")
    from matplotlib.figure import Figure  # an extra; without pyplot nothing looks for a display

    heights = [0.32 * len(plot.marks) + 1.2 if isinstance(plot, Dots) else 4.0 for plot in plots]
    figure = Figure(figsize=(9, sum(heights)), layout="constrained")
    axes = figure.subplots(len(plots), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for plot, axis in zip(plots, axes, strict=True):
        axis.set_title(plot.title, fontsize=11, loc="left")
        axis.set_xscale("log")
        axis.grid(visible=True, which="major", color="#e4e4e4")
        axis.set_axisbelow(b=True)
        axis.set_xlabel(plot.x_label, fontsize=9)
        if isinstance(plot, Dots):
            _dots(axis, plot)
        else:
            _lines(axis, plot)
    figure.savefig(path, dpi=110)


def _dots(axis: Any, plot: Dots) -> None:
    for place, mark in enumerate(reversed(plot.marks)):
        colour = OURS if mark.ours else "#1f4e79"
        axis.plot([mark.low, mark.high], [place, place], color=colour, linewidth=2)
        axis.plot([mark.middle], [place], "o", color=colour, markersize=6)
        axis.annotate(
            f"{mark.middle:.3g}", (mark.high, place), (7, -3), textcoords="offset points", fontsize=8, color=colour
        )
    scale = Axis([value for mark in plot.marks for value in (mark.low, mark.high)], 0, 1)
    ticks = scale.ticks()
    axis.set_xlim(ticks[0], ticks[-1])
    axis.set_xticks(ticks, [tick_text(tick) for tick in ticks], fontsize=8)
    axis.minorticks_off()
    axis.set_yticks(range(len(plot.marks)), [mark.name for mark in reversed(plot.marks)], fontsize=8)
    for label, mark in zip(axis.get_yticklabels(), reversed(plot.marks), strict=True):
        label.set_fontweight("bold" if mark.ours else "normal")


def _lines(axis: Any, plot: Lines) -> None:
    others, ours = cycle(COLOURS), cycle(("-", "--", ":"))
    for line in plot.lines:
        colour = OURS if line.ours else next(others)
        style = next(ours) if line.ours else "-"
        xs, ys = zip(*line.points, strict=True)
        axis.plot(xs, ys, f"o{style}", color=colour, linewidth=2.4 if line.ours else 1.4, markersize=3, label=line.name)
    if plot.y_log:
        axis.set_yscale("log")
    axis.set_ylabel(plot.y_label, fontsize=9)
    axis.set_xticks([place for place, _ in plot.ticks], [name for _, name in plot.ticks], fontsize=8)
    axis.minorticks_off()
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
