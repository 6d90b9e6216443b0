"""What the benchmarks say about given figures, in each of their forms."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmark_support import MACHINE, SETTINGS, row, values

from benchmarks.goals import goals
from benchmarks.loops import Sample
from benchmarks.reports import html, markdown
from benchmarks.reports.axes import Axis, tick_text
from benchmarks.reports.document import FormatError, from_json, to_json
from benchmarks.reports.plots import Dots, Lines, plots, summary
from benchmarks.reports.svg import draw
from benchmarks.reports.text import render
from benchmarks.results import Outcome, Row, Settings

PARKED = "every 5 ms"


def text(*rows: Row, settings: Settings = SETTINGS, scenario: str = "round-trip", **keys: Any) -> str:
    return render(MACHINE, settings, [Outcome(scenario, "pipe", list(rows), **keys)])


def everything() -> list[Outcome]:
    """Something of every kind."""
    return [
        Outcome(
            "round-trip",
            "pipe",
            [row("pipe", 40, 42), row("pyzmq", 90, 95), row("logoscore", 10, 11, ours=True),
             row("pipe", 70, 71, variant=PARKED), row("logoscore", 140, 150, variant=PARKED, ours=True)],
            skipped={"ray": "is not installed <pip install ray>"},
            notes=["a & b"],
        ),
        Outcome("sizes", "pipe", [
            values(peer, "bandwidth", 2.0, 3.0, variant=name, x=size, ours=peer == "logoscore")
            for peer in ("memcpy", "pipe", "logoscore") for name, size in (("4 KiB", 4096), ("64 MiB", 1 << 26))
        ]),
        Outcome("threads", "pipe", [
            values(peer, "rate", 20.0, 30.0, variant=name, x=count, ours=peer == "logoscore")
            for peer in ("pipe", "logoscore") for name, count in (("1 thread", 1), ("16 threads", 16))
        ]),
        Outcome("idle", "pipe", [values("logoscore", "cpu", 0.0, variant="CPU time", ours=True),
                                 values("logoscore", "wake-ups", 0.0, variant="wake-ups", ours=True)]),
        Outcome("start", "spawned no-op", [values("spawned no-op", "time", 50.0, 52.0), values("logoscore", "time", 70.0)],
                failed={"logoscore-warm": "it raised"}),
    ]  # fmt: skip


def test_wins_losses_and_ties_are_all_said() -> None:
    report = text(row("floor", 2, 3), row("pipe", 40, 42), row("rival", 9, 11), row("logoscore", 10, 10, ours=True))
    assert "hot, logoscore, p50: less than pipe; even with rival; MORE than floor\n" in report
    assert "hot, logoscore, p99: less than pipe; even with rival; MORE than floor\n" in report
    assert "hot, logoscore, CPU: less than pipe; even with rival; MORE than floor\n" in report


def test_of_a_rate_less_is_the_loss() -> None:
    report = text(
        values("pipe", "rate", 50, 60), values("rival", "rate", 5, 6), values("logoscore", "rate", 20, ours=True)
    )
    assert "v, logoscore, 1000/s: LESS than pipe; more than rival\n" in report


def test_variants_are_not_mixed() -> None:
    report = text(row("pipe", 10), row("pipe", 100, variant=PARKED), row("logoscore", 50, variant=PARKED, ours=True))
    assert f"{PARKED}, logoscore, p50: less than pipe\n" in report
    assert "hot, logoscore" not in report


def test_the_table_of_latencies() -> None:
    report = text(row("pipe", 40, 42), row("logoscore", 10, 11, ours=True, late=3))
    line = next(line for line in report.splitlines() if "title of logoscore" in line)
    # p50 of the two rounds together is 10; p99.9 is not said of 20 calls; CPU is (10 + 11) / 2 / 2.
    assert line.split()[4:] == ["20", "10.0", "11.0", "11.0", "-", "11.0", "0.25", "10.0–11.0", "3.0", "5.2", "5.2"]


def test_the_table_of_other_figures() -> None:
    report = text(values("pipe", "rate", 50, 70), values("logoscore", "rate", 20, 40, ours=True))
    line = next(line for line in report.splitlines() if "title of logoscore" in line)
    assert line.split()[4:] == ["2", "30.0", "1000/s", "0.50", "20.0–40.0", "-", "-"]


def test_without_the_baseline_there_is_no_ratio() -> None:
    line = next(line for line in text(row("logoscore", 10, ours=True)).splitlines() if "title of" in line)
    assert line.split()[-6:-3] == ["10.0", "-", "10.0–10.0"]


def test_who_is_missing_is_said() -> None:
    report = text(row("pipe", 1), skipped={"pyzmq": "is not installed"}, failed={"floor": "it raised"})
    assert "skipped pyzmq: is not installed\nFAILED floor: it raised\n" in report


@pytest.mark.parametrize(("load", "said"), [(0.5, False), (0.6, True)])
def test_a_machine_that_was_not_quiet_is_told_of(load: float, said: bool) -> None:
    machine = {**MACHINE, "load_average": [load, 0, 0]}
    assert ("NOT QUIET" in render(machine, SETTINGS, [])) is said


def test_a_goal_is_judged_by_ratios_within_rounds() -> None:
    # The medians over all say 1.0; in two of three rounds we took 0.25 of the pipe's time.
    outcome = Outcome("round-trip", "pipe", [row("pipe", 40, 10, 80), row("logoscore", 10, 40, 20, ours=True)])
    [goal] = goals([outcome])
    assert (goal.measured, goal.met) == (0.25, True)
    assert "met     hot call, p50 against pipe: 0.25 x pipe (goal: at most 0.3)\n" in text(*outcome.rows)


def test_missed_goals_are_shown_and_quick_runs_judge_none() -> None:
    rows = [row("pipe", 40, 40), row("logoscore", 40, 40, ours=True)]
    assert "MISSED  hot call, p50 against pipe: 1.0 x pipe" in text(*rows)
    assert "MISSED" not in text(*rows, settings=Settings(quick=True))
    assert 'class="missed"' in html.render(MACHINE, SETTINGS, [Outcome("round-trip", "pipe", rows)])


def test_json_has_everything_again() -> None:
    outcome = Outcome("round-trip", "pipe", [row("pipe", 40, 42), row("logoscore", 10, 11, ours=True)], {"a": "b"})
    document = json.loads(json.dumps(to_json(MACHINE, SETTINGS, [outcome])))
    [scenario] = document["scenarios"]
    pipe, ours = scenario["rows"]
    assert pipe["verdict"] is None
    assert ours["verdict"]["p50"] == {"less than": ["pipe"], "even with": [], "MORE than": []}
    assert [round(ratio, 3) for ratio in ours["ratio_of_rounds"]] == [0.25, round(11 / 42, 3)]
    assert [Sample.from_dict(each).calls for each in ours["rounds"]] == [10, 10]


def test_a_document_gives_the_same_reports_again() -> None:
    outcomes = everything()
    again = from_json(json.loads(json.dumps(to_json(MACHINE, SETTINGS, outcomes))))
    assert again[1] == SETTINGS
    assert render(*again) == render(MACHINE, SETTINGS, outcomes)
    assert html.render(*again) == html.render(MACHINE, SETTINGS, outcomes)


@pytest.mark.parametrize("document", [None, [], {}, {"format": 1}, {"format": 2}, {"format": 2, "scenarios": [{}]}])
def test_what_is_no_report(document: object) -> None:
    with pytest.raises(FormatError):
        from_json(document)


def test_the_html_is_well_formed_and_needs_nothing_else() -> None:
    page = html.render(MACHINE, SETTINGS, everything())
    tree = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}svg"))) >= 6
    for element in tree.iter():
        assert element.tag.rpartition("}")[2] not in {"script", "link", "img", "iframe", "object", "embed", "image"}
        for name, value in element.attrib.items():
            assert name not in {"src", "srcset", "onload", "style"}
            assert name != "href" or value.startswith("#")
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    everything_said = "".join(tree.itertext())
    for said in ("Test <CPU> & Co", "is not installed <pip install ray>", "it raised", "a & b", "MORE than pipe"):
        assert said in everything_said


def test_a_link_leads_to_each_scenario() -> None:
    page = html.render(MACHINE, SETTINGS, everything())
    assert set(re.findall(r'href="#([^"]+)"', page)) == set(re.findall(r'<h2 id="([^"]+)"', page))


def test_what_is_plotted() -> None:
    drawn = plots(everything())
    kinds = {name: [(type(plot), plot.title) for plot in found] for name, found in drawn.items()}
    assert kinds["round-trip"] == [
        (Dots, "round-trip: hot"), (Lines, "round-trip: hot, distribution"),
        (Dots, f"round-trip: {PARKED}"), (Lines, f"round-trip: {PARKED}, distribution"),
    ]  # fmt: skip
    assert kinds["sizes"] == [(Lines, "sizes: bandwidth")]
    assert kinds["idle"] == []  # nothing but zeros
    assert [plot.title for plot in summary(everything())] == [
        "round-trip: hot", f"round-trip: {PARKED}", "sizes: bandwidth",
    ]  # fmt: skip


def test_a_tail_is_drawn_only_where_ten_calls_decide_it() -> None:
    many = row("pipe", 5)
    many.samples[0].latency.record([5000] * 990)  # 1000 in all: ten of them are above p99
    [_, plot] = plots([Outcome("round-trip", "pipe", [many])])["round-trip"]
    assert isinstance(plot, Lines)
    assert max(x for x, _ in plot.lines[0].points) == 100


def test_marks_lie_in_order_within_the_picture() -> None:
    [dots, *_] = plots([Outcome("round-trip", "pipe", [row("pipe", 40, 42), row("logoscore", 4, ours=True)])])[
        "round-trip"
    ]
    tree = ElementTree.fromstring(draw(dots))
    pipe, ours = [float(each.get("cx", "")) for each in tree.iter("{http://www.w3.org/2000/svg}circle")]
    assert 0 < ours < pipe < 860


def test_axes() -> None:
    axis = Axis([3, 0, 40], 0, 100)
    assert (axis.at(1), axis.at(10), axis.at(100), axis.at(0)) == (0, 50, 100, 0)
    assert axis.ticks() == [1, 2, 5, 10, 20, 50, 100]
    assert Axis([7], 0, 100, whole_decades=False).at(7) == pytest.approx(50)
    assert [tick_text(value) for value in (0.5, 1, 1000, 20_000, 5e6)] == ["0.5", "1", "1000", "20k", "5M"]


def test_markdown_has_every_peer_and_every_goal() -> None:
    table = markdown.render(MACHINE, SETTINGS, everything())
    assert "| title of pipe | 40.0 (1.00) | 70.0 (1.00) | 41.0 |\n" in table
    assert "| **title of logoscore** | 10.0 (0.25) | 140.0 (2.00) | 10.5 |\n" in table
    assert "| every 5 ms: p50 | 2.1 x pipe | at most 1.3 | **missed** |\n" in table
