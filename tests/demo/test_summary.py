"""The summary of a demo fits 80 columns, and its report has all figures and reasons."""

from datetime import date, timedelta

import pytest
from rich.console import Console

from ltrr.demo.full_report import write_report
from ltrr.demo.loop import NightReport
from ltrr.demo.report import (
    night_lines,
    nights_table,
    order_table,
    regret_rows,
    regret_table,
    values_table,
)
from ltrr.demo.sentences import ranker_sentence
from ltrr.simulation.regret import Regret
from ltrr.simulation.truth_table import LEARNED, LEARNED_GREEDY, ORACLE, STATIC, STATIC_WITHOUT_MEMORY, UNIFORM

PLAN = "lexical:2,popularity:1,semantic:1"
VERDICT = "challenger 2026-03-05-a0f689cd4a7f begins with alpha 0.01: it was trained on dates up to 2026-03-04"


def night(number: int) -> NightReport:
    version = f"2026-03-0{number + 2}-ca1b5ba72896"
    return NightReport(
        day=date(2026, 3, 2) + timedelta(days=number),
        impressions=40_000,
        clicks=38_168,
        served_version=version,
        true_recall=0.647,
        true_page_reward=0.878,
        regret=Regret(0.871, 1.193, 1.029, PLAN),
        releases=({"action": "refreshed", "version": version, "why": VERDICT},),
        published_version=version,
        challenger=None,
        day_seconds=13.0,
        night_seconds=150.0,
        job_seconds={"ingest_logs": 20.0, "compute_strategy_features": 48.0},
    )


def truth() -> list[dict[str, object]]:
    policies = (LEARNED_GREEDY, LEARNED, "challenger, as served", UNIFORM, STATIC, STATIC_WITHOUT_MEMORY, ORACLE)
    figures = dict.fromkeys(("recall", "page_reward", "over_uniform", "over_static", "gap_share"), 0.25)
    bounds = {f"{name}_{side}": -0.125 for name in figures for side in ("low", "high")}
    return [
        {"slice": name, "policy": policy, "plan": PLAN, "queries": 1_000, **figures, **bounds}
        for name in ("unseen", "head", "tail")
        for policy in policies
    ]


def order(low: float, high: float, name: str = "head") -> dict[str, object]:
    figures = {"learned": 0.858, "fusion": 0.909, "over_fusion": (low + high) / 2}
    return {"slice": name, "queries": 1_105, **figures, "over_fusion_low": low, "over_fusion_high": high}


REPORTS = [night(number) for number in range(3)]


@pytest.mark.parametrize(
    "table",
    [
        nights_table(REPORTS),
        regret_table(regret_rows(REPORTS)),
        values_table(truth()),
        order_table([order(-0.06, -0.04)]),
    ],
)
def test_every_table_fits_80_columns_without_a_cut_or_folded_cell(table) -> None:
    console, wide = Console(width=80), Console(width=200)
    with console.capture() as narrow_text:
        console.print(table)
    with wide.capture() as wide_text:
        wide.print(table)
    lines = [line.rstrip() for line in narrow_text.get().splitlines()]
    assert lines == [line.rstrip() for line in wide_text.get().splitlines()]
    assert max(map(len, lines)) <= 80


def test_a_night_is_three_short_lines_below_its_heading() -> None:
    heading, served, learned, decided = night_lines(REPORTS[1], 2, 4)
    assert heading == "night 2 of 4, 2026-03-03"
    assert served == "  served   40,000 searches, 38,168 clicks; true recall 0.647, page reward 0.878"
    assert learned == "  learned  2 jobs in 2 min 30 s, longest compute_strategy_features 48 s"
    assert decided == "  decided  refreshed -> 2026-03-03-ca1b5ba72896; no challenger"
    assert max(map(len, (served, learned, decided))) <= 80


def test_the_ranker_is_called_worse_only_where_its_interval_is_below_zero() -> None:
    both = ranker_sentence([order(-0.001, 0.018, "unseen"), order(-0.06, -0.04), order(-0.035, -0.015, "tail")])
    assert both.startswith(
        "The served order is worse than rank fusion on head and tail queries, "
        "not distinguishable from rank fusion on unseen queries: it learned on"
    )
    assert ranker_sentence([order(0.0, 0.0)]) == "The served order is rank fusion: no ranker is released yet."
    assert ranker_sentence([order(0.01, 0.02)]) == "The served order is better than rank fusion on head queries."


def test_the_file_has_reasons_plans_and_intervals(tmp_path) -> None:
    outcome = {"regret": regret_rows(REPORTS), "truth": truth(), "ranker": [order(-0.06, -0.04)]}
    text = write_report(tmp_path, REPORTS, outcome).read_text()
    assert text.count(VERDICT) == 3
    assert f"best static plan ({PLAN})" in text
    assert "[-0.125, -0.125]" in text
    assert max(map(len, text.splitlines())) <= 200
