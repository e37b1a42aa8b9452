"""Measures against judgments are those of ir-measures, and of published worked examples."""

from __future__ import annotations

import json
from math import isnan, log2

import pytest

from ltrr.judgments.measures import MEASURES, compare_rankings, measure_ranking
from tests.judgments.ir_measures_reference import FILE, NAMES, random_case, values_of

STORED = json.loads(FILE.read_text())


@pytest.mark.parametrize("case", STORED["cases"])
def test_values_are_those_of_ir_measures(case: dict) -> None:
    found = measure_ranking(case["ranking"], case["grades"])
    assert {name: found[name] for name in NAMES} == pytest.approx(case["values"], abs=1e-6)


def test_the_stored_values_are_current() -> None:
    pytest.importorskip("ir_measures", reason="ir-measures is not installed")
    for seed in (0, 7, 100):
        case = random_case(seed)
        found = measure_ranking(case["ranking"], case["grades"])
        assert {name: found[name] for name in NAMES} == pytest.approx(values_of(case), abs=1e-6)


def test_average_precision_of_the_textbook() -> None:
    """Manning, Raghavan & Schuetze 2008: relevant at ranks 1, 3, 6 of 4 relevant entities."""
    found = measure_ranking(["a", "x", "b", "y", "z", "c"], {"a": 1, "b": 1, "c": 1, "d": 1})
    assert found["AP"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 4)
    assert found["R@100"] == 0.75


def test_ndcg_of_jarvelin_and_kekalainen() -> None:
    """The gains 3, 2, 3, 0, 1, 2, with the discount log2(rank + 1) of trec_eval."""
    gains = [3, 2, 3, 0, 1, 2]
    ideal = sorted(gains, reverse=True)
    found = measure_ranking(list("abcdef"), dict(zip("abcdef", gains, strict=True)))
    dcg, best = (sum(gain / log2(rank + 1) for rank, gain in enumerate(row, start=1)) for row in (gains, ideal))
    assert found["nDCG@10"] == pytest.approx(dcg / best)


def test_undefined_values_are_nan_and_queries_without_a_relevant_entity_do_not_count() -> None:
    found = measure_ranking(["a"], {"b": 0})
    assert all(isnan(found[name]) for name in ("nDCG@10", "RR", "P@5", "AP", "R@100"))
    assert found["Judged@10"] == 0.0
    assert isnan(measure_ranking([], {"a": 1})["Judged@10"])
    means = compare_rankings({"q": ["a"], "none": ["a"]}, {"q": {"a": 1}, "none": {"a": 0}})
    assert (means["judged queries"], means["nDCG@10"]) == (1, 1.0)
    assert all(isnan(value) for name, value in compare_rankings({}, {}).items() if name in MEASURES)


def test_unjudged_entities_are_stated_and_the_condensed_measure_leaves_them_out() -> None:
    found = measure_ranking(["u1", "u2", "a"], {"a": 2, "b": 0})
    assert found["nDCG@10"] == pytest.approx(0.5)
    assert found["Judged@10"] == pytest.approx(1 / 3)
    assert found["nDCG@10 condensed"] == 1.0


def test_a_query_without_a_ranking_counts_as_zero() -> None:
    means = compare_rankings({"q": ["a"]}, {"q": {"a": 1}, "p": {"a": 1}})
    assert (means["nDCG@10"], means["nDCG@10 of ranked"], means["Judged@10"]) == (0.5, 1.0, 1.0)


def test_the_scale_of_a_source_decides_what_is_relevant() -> None:
    grades = {"a": 0.9, "b": 0.2}
    assert isnan(measure_ranking(["a"], grades)["AP"])
    assert measure_ranking(["a"], grades, relevant_grade=0.5)["AP"] == 1.0
