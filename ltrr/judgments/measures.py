"""Measures of a ranking against judgments, with the names and values of `ir-measures`.

An unjudged entity has the gain 0 and is not relevant, as in trec_eval. `Judged@10` states how often
that happens: a ranking of unjudged entities is not bad, it is unknown. The condensed measure leaves
unjudged entities out (Sakai, "Alternatives to Bpref", SIGIR 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan

from ltrr.core.ranking_metrics import average_precision, first_relevant, ndcg, precision, recall

MEASURES = ("nDCG@10", "RR", "P@5", "AP", "R@100", "Judged@10", "nDCG@10 condensed")
"""Names, in the order of `measure_ranking`."""

Grades = Mapping[str, float]
"""entity_id -> grade, of one query."""


def measure_ranking(ranking: Sequence[str], grades: Grades, relevant_grade: float = 1.0) -> dict[str, float]:
    """Every measure of one query.

    Args:
        ranking: Entity ids, best first, each once.
        grades: Grades of the query. A negative grade is a gain of 0.
        relevant_grade: Lowest grade of a relevant entity.

    Returns:
        Name -> value. nDCG, AP and R@100 of a query without a relevant entity are NaN, and so is
        Judged@10 of an empty ranking.

    >>> found = measure_ranking(["e9", "e1"], {"e1": 2, "e2": 0})
    >>> [found[name] for name in ("RR", "P@5", "Judged@10", "nDCG@10 condensed")]
    [0.5, 0.2, 0.5, 1.0]
    """
    gains = [max(grades.get(entity_id, 0.0), 0.0) for entity_id in ranking]
    ideal = [max(grade, 0.0) for grade in grades.values()]
    relevant = [grades.get(entity_id, relevant_grade - 1.0) >= relevant_grade for entity_id in ranking]
    relevant_count = sum(grade >= relevant_grade for grade in grades.values())
    judged = [entity_id in grades for entity_id in ranking]
    values = (
        ndcg(gains, 10, ideal_gains=ideal),
        first_relevant(relevant) if relevant_count else nan,
        precision(relevant, 5) if relevant_count else nan,
        average_precision(relevant, relevant_count),
        recall(relevant, 100, relevant_count),
        sum(judged[:10]) / len(judged[:10]) if judged else nan,
        ndcg([gain for gain, is_known in zip(gains, judged, strict=True) if is_known], 10, ideal_gains=ideal),
    )
    return dict(zip(MEASURES, values, strict=True))


def compare_rankings(
    rankings: Mapping[str, Sequence[str]], judged: Mapping[str, Grades], relevant_grade: float = 1.0
) -> dict[str, float]:
    """Means over the judged queries that have a relevant entity, each query once.

    As in `ir-measures`, a query without a ranking counts as 0; the mean of Judged@10 is over
    queries with a ranking.

    Args:
        rankings: query_key -> entity ids, best first.
        judged: query_key -> grades.
        relevant_grade: Lowest grade of a relevant entity.

    Returns:
        Number of judged queries with a relevant entity, number of them with a ranking, the means,
        and the mean nDCG@10 of queries with a ranking.

    >>> found = compare_rankings({"a": ["e1"]}, {"a": {"e1": 1}, "b": {"e2": 1}, "c": {"e3": 0}})
    >>> [found[name] for name in ("judged queries", "ranked queries", "nDCG@10")]
    [2, 1, 0.5]
    """
    counted = sorted(key for key, grades in judged.items() if max(grades.values()) >= relevant_grade)
    found = {key: measure_ranking(rankings.get(key, ()), judged[key], relevant_grade) for key in counted}
    ranked = [key for key in counted if rankings.get(key)]
    means = {name: _mean([found[key][name] for key in counted]) for name in MEASURES}
    return {
        "judged queries": len(counted),
        "ranked queries": len(ranked),
        **means,
        "nDCG@10 of ranked": _mean([found[key]["nDCG@10"] for key in ranked]),
    }


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not isnan(value)]
    return sum(defined) / len(defined) if defined else nan
