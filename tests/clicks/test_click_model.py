"""The click model in Spark recovers the known curve and marks positions it cannot identify."""

import datetime as dt

import numpy as np
import pytest

from ltrr.clicks.correction import with_examination
from ltrr.clicks.curve_rows import curve_rows
from ltrr.clicks.fit import fit_curves
from ltrr.clicks.pairs import to_linking_pairs, to_position_counts
from ltrr.clicks.settings import ClickSettings
from tests.clicks.slates import TRUE_CURVE, slate_rows

pytestmark = pytest.mark.spark
SETTINGS = ClickSettings()


def fit(frame, surfaces=("search",)):
    pairs = to_linking_pairs(frame, SETTINGS.max_positions).persist()
    return fit_curves(pairs, list(surfaces), TRUE_CURVE.size, SETTINGS)


@pytest.mark.statistical
def test_the_known_curve_comes_back(spark):
    fitted = fit(spark.createDataFrame(slate_rows(seed=7, impressions=8_000)))
    curve = fitted.curves["search"]
    # Six standard errors: exceeded by chance at one of seven positions for fewer than 2e-8 of all
    # seeds. The second line checks that the errors are small.
    assert np.all(np.abs(curve.examination - TRUE_CURVE)[1:] < 6 * curve.standard_error[1:])
    assert curve.standard_error[1:].max() < 0.03
    assert curve.is_identified.all()
    assert fitted.is_converged
    assert fitted.iterations <= 6


def test_the_curve_is_the_same_from_any_layout(spark):
    rows = slate_rows(seed=8, impressions=1_500)
    one = fit(spark.createDataFrame(rows).coalesce(1)).curves["search"]
    shuffled = rows.sample(frac=1.0, random_state=3)
    other = fit(spark.createDataFrame(shuffled).repartition(7, "impression_id")).curves["search"]
    assert np.array_equal(one.examination, other.examination)
    assert np.array_equal(one.standard_error, other.standard_error)


def test_a_surface_that_never_moves_entities_borrows_from_all_and_says_so(spark):
    moving = spark.createDataFrame(slate_rows(seed=9, impressions=3_000))
    still = spark.createDataFrame(slate_rows(seed=10, impressions=500, surface="app", jitter=0.0))
    both = moving.unionByName(still)
    shown = {(row.surface, row.position): row.impressions for row in to_position_counts(both, 20).collect()}
    rows = {(r.surface, r.position): r for r in curve_rows(fit(both, ("app", "search")), shown, SETTINGS)}
    for position in range(2, 9):
        own, borrowed = rows["search", position], rows["app", position]
        assert (own.method, own.is_identified) == ("position_based_em", True)
        assert (borrowed.method, borrowed.is_identified) == ("borrowed", False)
        assert borrowed.examination == rows["*", position].examination
    assert rows["app", 1].impressions == 500
    assert rows["*", 1].impressions == 3_500


def test_a_log_in_which_nothing_moves_leaves_the_prior(spark):
    still = spark.createDataFrame(slate_rows(seed=10, impressions=500, jitter=0.0))
    shown = {(row.surface, row.position): row.impressions for row in to_position_counts(still, 20).collect()}
    rows = [r for r in curve_rows(fit(still), shown, SETTINGS) if r.surface == "search"]
    assert {r.method for r in rows} == {"prior"}
    assert not any(r.is_identified for r in rows)
    assert [round(r.examination, 5) for r in rows] == [round(1 / j, 5) for j in range(1, 9)]


def test_positions_beyond_the_deepest_share_its_count(spark):
    rows = slate_rows(seed=12, impressions=40)
    counts = to_position_counts(spark.createDataFrame(rows), 5).collect()
    assert {row.position: row.impressions for row in counts} == {1: 40, 2: 40, 3: 40, 4: 40, 5: 160}


def test_evidence_takes_the_curve_of_its_own_date(spark):
    first, second = dt.date(2026, 3, 2), dt.date(2026, 3, 3)
    curves = spark.createDataFrame(
        [
            (first, "*", 1, 1.0),
            (first, "*", 2, 0.5),
            (second, "*", 1, 1.0),
            (second, "*", 2, 0.75),
            (second, "search", 1, 1.0),
            (second, "search", 2, 0.25),
            (dt.date(2026, 3, 4), "*", 1, 9.0),
        ],
        "as_of_date date, surface string, position int, examination double",
    )
    rows = spark.createDataFrame(
        [
            ("before the first curve", dt.date(2026, 3, 1), "search", 2),
            ("first", first, "search", 2),
            ("second", second, "search", 2),
            ("new surface", second, "app", 2),
            ("too deep", second, "search", 30),
        ],
        "name string, log_date date, surface string, position int",
    )
    found = {row["name"]: row.examination for row in with_examination(rows, curves).collect()}
    assert found == {
        "before the first curve": 0.5,
        "first": 0.5,
        "second": 0.25,
        "new surface": 0.75,
        "too deep": 0.25,
    }
