"""Each check of a night can fail, and its detail has the figure."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.errors import ConfigError, DataQualityError
from ltrr.logs.quality import Counts, check_counts
from ltrr.logs.settings import EventKind, LogSettings
from ltrr.spark.quality import stop_on_failures

GOOD = Counts(
    lines=1_500,
    carried=3,
    impressions=1_000,
    fallbacks=2,
    propensity_error=1e-9,
    joined=490,
    clicks=400,
    waiting=4,
    rejected={"malformed_json": 5, "duplicate": 2},
    rejected_earlier=2,
)
USUAL = [900.0, 1_000.0, 1_100.0]


def failed(counts: Counts, usual: list[float] = USUAL) -> set[str]:
    return {check.name for check in check_counts(counts, usual, LogSettings()) if check.outcome == "failed"}


def test_a_good_night_passes_and_every_check_is_reported_once() -> None:
    checks = check_counts(GOOD, USUAL, LogSettings())
    assert failed(GOOD) == set()
    assert len({check.name for check in checks}) == len(checks)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"lines": 1_501}, "row_balance"),
        ({"joined": 491}, "row_balance"),
        ({"lines": 1_520, "rejected": {"malformed_json": 27}}, "rejected_share"),
        ({"fallbacks": 11}, "fallback_share"),
        ({"propensity_error": 1e-5}, "propensity_error"),
        ({"clicks": 0}, "clicks_an_impression"),
    ],
)
def test_each_check_can_fail(change: dict[str, object], check: str) -> None:
    assert failed(replace(GOOD, **change)) == {check}


def test_the_number_of_impressions_must_be_near_the_usual_one() -> None:
    for usual, is_failed in (([2_900.0], False), ([3_100.0], True), ([340.0], False), ([330.0], True), ([], False)):
        assert (failed(GOOD, usual) == {"impressions"}) is is_failed


def test_a_night_without_impressions_is_no_night() -> None:
    empty = Counts(0, 0, 0, 0, None, 0, 0, 0)
    assert failed(empty, []) == {"impressions"}


def test_a_date_that_is_declared_to_have_no_traffic_is_closed_and_one_that_is_not_so_declared_is_not() -> None:
    empty = Counts(0, 0, 0, 0, None, 0, 0, 0, has_no_traffic=True)
    assert failed(empty, []) == failed(empty) == set()
    # Purchases of the day before may still arrive.
    assert failed(replace(empty, lines=3, joined=3)) == set()
    assert failed(replace(GOOD, has_no_traffic=True)) == {"impressions"}
    undeclared = check_counts(replace(empty, has_no_traffic=False), USUAL, LogSettings())
    assert "_NO_TRAFFIC next to _SUCCESS" in next(check.detail for check in undeclared if check.name == "impressions")


def test_forgotten_users_are_no_fault_of_the_logs() -> None:
    counts = replace(GOOD, lines=2_500, rejected={**GOOD.rejected, "forgotten": 1_000})
    assert failed(counts) == set()


def test_a_failed_check_stops_the_night_with_its_figure_unless_someone_answers_for_it() -> None:
    checks = check_counts(replace(GOOD, fallbacks=200), USUAL, LogSettings())
    with pytest.raises(DataQualityError, match=r"fallback_share within 0\.01, got 0\.2 \(200 of 1000 impressions\)"):
        stop_on_failures(date(2026, 3, 2), checks, {})
    stop_on_failures(date(2026, 3, 2), checks, {"fallback_share": "the title index was down"})


@given(st.integers(-5, 5))
def test_any_line_too_many_or_too_few_breaks_the_balance(missing: int) -> None:
    assert ("row_balance" in failed(replace(GOOD, lines=GOOD.lines + missing))) is (missing != 0)


def test_settings_that_cannot_be_used_are_refused_all_at_once() -> None:
    with pytest.raises(ConfigError, match=r"page_reward_cap: expected > 0.*late_days: expected >= 1"):
        LogSettings(page_reward_cap=0, late_days=0)
    with pytest.raises(ConfigError, match="click among them"):
        LogSettings(kinds={"purchase": EventKind(10)})
    with pytest.raises(ConfigError, match=r"kinds\.click"):
        LogSettings(kinds={"click": EventKind(0)})
