"""A report in one file: no script, no network, nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from benchmarks.goals import Goal, goals
from benchmarks.reports.plots import plots
from benchmarks.reports.svg import draw
from benchmarks.reports.text import cells_of, describe, missing, number, tables, title_of, verdicts
from benchmarks.results import Outcome, Row, Settings

__all__ = ["render"]

_STYLE: Final = """
body { font: 15px/1.5 sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse; font-size: 13px; margin: 1em 0; display: block; overflow-x: auto }
th, td { padding: 3px 9px; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap }
th { background: #f4f4f4 } td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left }
tr.ours td { background: #fdf0f5; font-weight: 600 } .missed td, .warning, .loss { color: #b00020 }
svg { width: 100%; max-width: 860px; height: auto; display: block; margin: 1em 0; border: 1px solid #eee }
details { margin: .6em 0 } summary { cursor: pointer } li { margin: .15em 0 }
"""

_READING: Final = (
    "Every latency is a whole round trip between two processes, from before the call until the answer was read and"
    " checked; nothing is halved.",
    "The byte echoes (socketpair, semaphore, Pipe, pyzmq, iceoryx2) do easier work than a call with method, types, token"
    " and deadline. The comparison leans their way.",
    "x Pipe divides by multiprocessing.Pipe in the same run. Ratios travel between machines better than microseconds.",
    "CPU is the time that caller's and callee's process used for each operation, all threads: who spins is fast and pays"
    " here.",
    "A figure is worth no more than its spread over the rounds. Where the kernel puts two processes that wake each"
    " other moves everything by a factor of two and more.",
)


def render(machine: Mapping[str, Any], settings: Settings, outcomes: Sequence[Outcome]) -> str:
    """The whole document."""
    drawn = plots(outcomes)
    about = [
        f"<li{' class=warning' if 'NOT' in line else ''}>{escape(line)}</li>".replace(
            "class=warning", 'class="warning"'
        )
        for line in describe(machine, settings)
    ]
    parts = [
        "<h1>What a call between processes costs</h1>",
        f"<ul>{''.join(about)}</ul>",
        f"<details><summary>How to read this</summary><ul>{''.join(f'<li>{escape(line)}</li>' for line in _READING)}</ul>"
        "</details>",
        _contents(outcomes),
        _goals([] if settings.quick else goals(outcomes)),
    ]
    for outcome in outcomes:
        parts.append(f'<h2 id="{escape(outcome.scenario)}">{escape(title_of(outcome))}</h2>')
        parts += [draw(plot) for plot in drawn[outcome.scenario]]
        parts += [_table(headings, rows, outcome) for headings, rows in tables(outcome)]
        parts += [_details("Wins and losses", verdicts(outcome))] if verdicts(outcome) else []
        parts += [f"<p>{escape(note)}</p>" for note in outcome.notes]
        parts += [f'<p class="warning">{escape(line)}</p>' for line in missing(outcome)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>logoscore benchmarks</title>'
        f"<style>{_STYLE}</style></head><body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _contents(outcomes: Sequence[Outcome]) -> str:
    links = (f'<a href="#{escape(each.scenario)}">{escape(title_of(each))}</a>' for each in outcomes)
    return f"<p>{' · '.join(links)}</p>"


def _goals(reached: Sequence[Goal]) -> str:
    if not reached:
        return ""
    rows = (
        f'<tr class="{"met" if goal.met else "missed"}"><td>{escape(goal.what)}</td><td>{escape(goal.unit)}</td>'
        f"<td>{number(goal.measured)}</td><td>{goal.bound}</td><td>{'met' if goal.met else 'MISSED'}</td></tr>"
        for goal in reached
    )
    head = "<tr><th>design goal</th><th>unit</th><th>measured</th><th>goal</th><th></th></tr>"
    return f"<h2>Goals</h2><table>{head}{''.join(rows)}</table>"


def _table(headings: Sequence[str], rows: Sequence[Row], outcome: Outcome) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        ('<tr class="ours">' if row.ours else "<tr>")
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells_of(row, outcome))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _details(title: str, lines: Sequence[str]) -> str:
    items = "".join(
        f'<li class="loss">{escape(line)}</li>'
        if "MORE than" in line or "LESS than" in line
        else f"<li>{escape(line)}</li>"
        for line in lines
    )
    return f'<details open="open"><summary>{escape(title)} (red: something is lost)</summary><ul>{items}</ul></details>'
