"""Regret in the report: of a day, and cumulative over days."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import accumulate

import pytest
from rich.console import Console

from ltrr.demo.loop import NightReport
from ltrr.demo.report import regret_rows, regret_table
from ltrr.simulation.regret import Regret


def night(number: int, impressions: int, served: float) -> NightReport:
    """A day with `served` reward per search; the oracle has .8 and the best static plan .5."""
    regret = Regret(served, oracle=0.8, static=0.5, static_plan="title:4")
    day = date(2026, 3, 2) + timedelta(days=number)
    return NightReport(day, impressions, 0, "v1", 0.5, served, regret, (), "v2", None, 1.0, 1.0, {})


REPORTS = [night(0, 1_000, 0.3), night(1, 2_000, 0.55), night(2, 1_000, 0.7)]


def test_each_day_and_all_days_so_far() -> None:
    rows = regret_rows(REPORTS)
    assert [row["regret_oracle"] for row in rows] == pytest.approx([500, 500, 100])
    assert [row["regret_static"] for row in rows] == pytest.approx([200, -100, -200])
    for kind in ("oracle", "static"):
        days = [row[f"regret_{kind}"] for row in rows]
        assert [row[f"cumulative_{kind}"] for row in rows] == list(accumulate(days))
    assert rows[0] | {"served": 0.3, "oracle": 0.8, "static": 0.5, "static_plan": "title:4"} == rows[0]


def test_the_table_shows_signs_and_the_json_the_figures() -> None:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(regret_table(regret_rows(REPORTS)))
    last = next(line for line in captured.get().splitlines() if "2026-03-04" in line)
    assert last.split()[-4:] == ["100", "1,100", "-200", "-100"]
    assert REPORTS[0].to_json()["regret"] == {"served": 0.3, "oracle": 0.8, "static": 0.5, "static_plan": "title:4"}
