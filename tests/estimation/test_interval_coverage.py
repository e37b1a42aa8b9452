"""A part of benchmarks/ope_coverage.py: 2,000 logs per cell, five Monte-Carlo errors."""

from __future__ import annotations

from math import sqrt

import pytest

from benchmarks.ope_coverage import Cell, judge
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE, TRUST

LOGS = 2_000
SLACK = 5.0 * sqrt(0.95 * 0.05 / LOGS)


@pytest.mark.statistical
@pytest.mark.parametrize(
    "cell",
    [Cell(10_000, 0.05, "good", 5), Cell(10_000, 0.05, "fair", 1), Cell(2_000, 0.5, "fair", 1)],
    ids=["returning users", "fair overlap", "frequent rewards"],
)
def test_where_the_verdict_is_trust_intervals_cover(cell) -> None:
    row = judge(cell, LOGS, seed=3)
    assert row["verdict"] == TRUST
    for method in ("delta snips", "delta ips", "delta dr", "logit snips"):
        assert abs(row["methods"][method]["coverage"] - 0.95) <= 0.015 + SLACK, method
    assert row["methods"]["bernstein snips"]["coverage"] >= 0.95 - SLACK
    assert row["methods"]["bernstein snips"]["width"] > 1.5


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("cell", "verdict"),
    [
        (Cell(500, 0.05, "poor", 1), DO_NOT_USE),
        (Cell(10_000, 0.005, "poor", 20), DO_NOT_USE),
        (Cell(500, 0.5, "fair", 20), DO_NOT_USE),
        (Cell(100_000, 0.005, "poor", 1), TAKE_CARE),
    ],
    ids=["few events", "few events of few users", "25 users", "rare and heavy"],
)
def test_where_intervals_do_not_cover_the_verdict_says_so(cell, verdict) -> None:
    row = judge(cell, LOGS, seed=3)
    delta = row["methods"]["delta snips"]
    assert delta["coverage"] < 0.95
    assert delta["below"] > delta["above"]
    assert row["verdict"] == verdict
    assert row["trusted"] < 0.5
    assert row["methods"]["bernstein snips"]["coverage"] >= 0.95 - SLACK


@pytest.mark.statistical
def test_on_the_logit_scale_both_sides_have_misses() -> None:
    row = judge(Cell(10_000, 0.005, "good", 1), 3 * LOGS, seed=3)
    delta, logit = row["methods"]["delta snips"], row["methods"]["logit snips"]
    assert delta["below"] > 1.5 * delta["above"]
    assert abs(logit["below"] - logit["above"]) < delta["below"] - delta["above"]


@pytest.mark.statistical
def test_at_poor_overlap_students_quantile_corrects_for_an_uncertain_standard_error() -> None:
    methods = judge(Cell(2_000, 0.5, "poor", 1), 3 * LOGS, seed=3)["methods"]
    for name in ("snips", "ips"):
        student, normal = (methods[f"{kind} {name}"]["coverage"] for kind in ("delta", "normal"))
        assert student > 0.935 - SLACK / sqrt(3.0)
        assert normal < student
