"""Checks of a night: kept as rows, and a failed one stops the night until someone answers for it."""

from datetime import date

import pytest

from ltrr.errors import DataQualityError
from ltrr.spark.quality import Check, at_most, check_rows, stop_on_failures

NIGHT = date(2026, 3, 1)
CHECKS = [
    at_most("rejected share", 0.09, 0.01, "1000 of 11000 lines"),
    at_most("fallback share", None, 0.01, "no impressions"),
    Check("impressions", 10_000.0, None, "reported", "of the date"),
]


def test_a_failed_check_stops_the_night_and_says_which_and_what_to_do():
    with pytest.raises(DataQualityError, match=r"rejected share.*within 0\.01.*0\.09 \(1000 of 11000 lines\)") as told:
        stop_on_failures(NIGHT, CHECKS, None)
    assert "--accept-quality REASON" in str(told.value)
    stop_on_failures(NIGHT, CHECKS[1:], None)
    stop_on_failures(NIGHT, CHECKS, "a crawler, known")


def test_checks_are_rows_and_an_accepted_one_keeps_the_reason(spark):
    strict = {row.check: row for row in check_rows(spark, NIGHT, CHECKS, None).collect()}
    assert [row.verdict for row in strict.values()] == ["failed", "ok", "reported"]
    accepted = {row.check: row for row in check_rows(spark, NIGHT, CHECKS, "a crawler, known").collect()}
    assert accepted["rejected share"].verdict == "accepted"
    assert accepted["rejected share"].detail == "1000 of 11000 lines; accepted: a crawler, known"
    assert accepted["impressions"] == strict["impressions"]
