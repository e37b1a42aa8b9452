"""Checks of a night: a failed one stops the night until the operator accepts it."""

from datetime import date

import pytest

from ltrr.errors import DataQualityError, UsageError
from ltrr.spark.quality import Check, at_most, check_rows, parse_accepted, stop_on_failures

NIGHT = date(2026, 3, 1)
CHECKS = [
    at_most("rejected_share", 0.09, 0.01, "1000 of 11000 lines"),
    at_most("fallback share", None, 0.01, "no impressions"),
    Check("impressions", 10_000.0, None, "reported", "of the date"),
]


def test_a_failed_check_stops_the_night_and_says_which_and_what_to_do():
    with pytest.raises(
        DataQualityError, match=r"rejected_share.*within 0\.01.*0\.09 \(1000 of 11000 lines\)"
    ) as caught:
        stop_on_failures(NIGHT, CHECKS, {})
    assert "--accept-quality 'rejected_share:REASON'" in str(caught.value)
    stop_on_failures(NIGHT, CHECKS[1:], {})
    stop_on_failures(NIGHT, CHECKS, {"rejected_share": "a crawler, known"})


def test_a_reason_accepts_the_checks_that_it_names_and_no_others():
    worse = [*CHECKS, at_most("propensity_error", 0.4, 1e-6, "of all decisions")]
    for accepted in ({"rejected_share": "a crawler"}, {"replay": "a crawler"}):
        with pytest.raises(DataQualityError, match="propensity_error"):
            stop_on_failures(NIGHT, worse, accepted)
    stop_on_failures(NIGHT, worse, parse_accepted(["propensity_error,rejected_share:known"]))


@pytest.mark.parametrize("option", ["a reason", "a reason, known: twice", ":why", "rejected_share:", "a,,b:why"])
def test_a_reason_without_a_name_accepts_nothing(option):
    with pytest.raises(UsageError, match=r"NAME\[,NAME\]:REASON"):
        parse_accepted([option])


def test_checks_are_rows_and_an_accepted_one_keeps_the_reason(spark):
    strict = {row.check: row for row in check_rows(spark, NIGHT, CHECKS, {}).collect()}
    assert [row.verdict for row in strict.values()] == ["failed", "ok", "reported"]
    accepted = {
        row.check: row for row in check_rows(spark, NIGHT, CHECKS, {"rejected_share": "a crawler, known"}).collect()
    }
    assert accepted["rejected_share"].verdict == "accepted"
    assert accepted["rejected_share"].detail == "1000 of 11000 lines; accepted: a crawler, known"
    assert accepted["impressions"] == strict["impressions"]
