"""Plots as SVG, written by hand: three dozen elements need no library, and the report opens without one, and offline."""

from __future__ import annotations

from html import escape
from typing import Final

from benchmarks.reports.axes import Axis, tick_text
from benchmarks.reports.plots import Dots, Lines

__all__ = ["COLOURS", "OURS", "draw"]

OURS: Final = "#c2185b"
COLOURS: Final = (
    "#1f77b4", "#2ca02c", "#ff7f0e", "#7f7f7f", "#9467bd", "#8c564b", "#17becf", "#bcbd22",
    "#4b5d67", "#6b8e23", "#b8860b", "#5f9ea0", "#708090",
)  # fmt: skip
_DASHES: Final = ("", "6 3", "2 3")
_WIDTH: Final = 860


def draw(plot: Lines | Dots) -> str:
    """One ``<svg>`` element."""
    return _dots(plot) if isinstance(plot, Dots) else _lines(plot)


def _text(x: float, y: float, text: str, anchor: str = "start", **style: str) -> str:
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, stroke: str = "#ddd", width: float = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>'


def _svg(height: float, title: str, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img"'
        f' font-family="sans-serif" font-size="12" fill="#222"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f"{_text(12, 20, title, font_size='14', font_weight='bold')}{''.join(parts)}</svg>"
    )


def _dots(plot: Dots) -> str:
    left, right, top, step = 300.0, _WIDTH - 60.0, 40.0, 24.0
    bottom = top + step * len(plot.marks)
    axis = Axis([value for mark in plot.marks for value in (mark.low, mark.high)], left, right)
    parts = []
    for value in axis.ticks():
        x = axis.at(value)
        parts += [_rule(x, top, x, bottom), _text(x, bottom + 16, tick_text(value), "middle")]
    for number, mark in enumerate(plot.marks):
        y = top + step * (number + 0.5)
        colour, weight = (OURS, "bold") if mark.ours else ("#1f4e79", "normal")
        parts.append(_text(left - 10, y + 4, mark.name, "end", font_weight=weight))
        if mark.middle <= 0:
            parts.append(_text(left + 6, y + 4, "0", fill=colour))
            continue
        parts.append(_rule(axis.at(mark.low), y, axis.at(mark.high), y, colour, 2))
        parts.append(f'<circle cx="{axis.at(mark.middle):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
        parts.append(_text(axis.at(mark.high) + 9, y + 4, f"{mark.middle:.3g}", fill=colour))
    parts.append(_text((left + right) / 2, bottom + 36, plot.x_label, "middle"))
    return _svg(bottom + 48, plot.title, parts)


def _lines(plot: Lines) -> str:
    left, right, top, bottom = 70.0, _WIDTH - 320.0, 40.0, 380.0
    xs = [x for x, _ in plot.ticks] + [x for line in plot.lines for x, _ in line.points]
    across = Axis(xs, left, right, whole_decades=False)
    up = Axis([y for line in plot.lines for _, y in line.points], bottom, top)
    parts = []
    for value in up.ticks():
        y = up.at(value)
        parts += [_rule(left, y, right, y), _text(left - 6, y + 4, tick_text(value), "end")]
    taken = -100.0
    for value, name in plot.ticks:
        x = across.at(value)
        parts.append(_rule(x, top, x, bottom))
        if x - taken > 7.0 * len(name):  # what would overlap is left out
            parts.append(_text(x, bottom + 16, name, "middle"))
            taken = x
    others = 0
    for number, line in enumerate(plot.lines):
        if line.ours:
            colour, dash, width = OURS, _DASHES[sum(each.ours for each in plot.lines[:number]) % 3], 2.6
        else:
            colour, dash, width = COLOURS[others % len(COLOURS)], _DASHES[others // len(COLOURS) % 3], 1.6
            others += 1
        style = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"'
        points = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{points}" {style}/>')
        parts += [
            f'<circle cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="2.5" fill="{colour}"/>' for x, y in line.points
        ]
        y = top + 8 + 18 * number
        parts.append(f'<line x1="{right + 16}" y1="{y:.1f}" x2="{right + 40}" y2="{y:.1f}" {style}/>')
        parts.append(_text(right + 46, y + 4, line.name, font_weight="bold" if line.ours else "normal", font_size="11"))
    parts.append(_text((left + right) / 2, bottom + 36, plot.x_label, "middle"))
    middle = (top + bottom) / 2
    parts.append(_text(16, middle, plot.y_label, "middle", transform=f"rotate(-90 16 {middle:.0f})"))
    return _svg(max(bottom + 48, top + 20 + 18 * len(plot.lines)), plot.title, parts)
