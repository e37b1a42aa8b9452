"""Grades of the memory: how many users who looked at an entity wanted it, with the doubt counted.

The grade of a pair is the number of thresholds that the lower bound of its score reaches. The score
is a probability (clicks per examination), so a grade means the same for every query: 3 says that
with the interval's confidence at least half of the users who look at the entity want it. Grade 0
needs evidence too: the upper bound must be below the first threshold. A pair between the two is
undefined, as is one without an examination of its own. It is left out and counted: an unknown
entity is not a bad one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ltrr.errors import UsageError

THRESHOLDS = (0.1, 0.25, 0.5)
"""Lower bounds of the grades 1, 2 and 3: a tenth, a quarter and half of the users who look."""


@dataclass(frozen=True)
class MemoryPair:
    """A row of `q2e_memory`: a query, an entity, its score with interval, and its evidence.

    The title is that of the catalogue; empty if it is not known.
    """

    query_key: str
    entity_id: str
    score: float
    low: float
    high: float
    clicks: float
    examinations: float
    title: str = ""


@dataclass(frozen=True)
class GradedPair:
    """A pair with its grade."""

    pair: MemoryPair
    grade: int


def check_thresholds(thresholds: Sequence[float]) -> None:
    """Check that thresholds are probabilities in ascending order.

    Raises:
        UsageError: They are not.
    """
    if not thresholds or list(thresholds) != sorted(set(thresholds)) or not 0 < thresholds[0] <= thresholds[-1] <= 1:
        raise UsageError(
            "these thresholds give no grades",
            which="--thresholds",
            expected="numbers above 0, up to 1, in ascending order, such as 0.1,0.25,0.5",
            got=",".join(f"{one:g}" for one in thresholds) or "nothing",
        )


def grade_of(pair: MemoryPair, thresholds: Sequence[float] = THRESHOLDS) -> int | None:
    """The grade of a pair; None if the evidence decides none.

    >>> certain, unclear = (MemoryPair("q", "e", 0.3, low, 0.4, 30.0, 90.0) for low in (0.26, 0.05))
    >>> grade_of(certain), grade_of(unclear)
    (2, None)
    >>> grade_of(MemoryPair("q", "e", 0.02, 0.01, 0.05, 1.0, 90.0))
    0
    """
    if pair.examinations <= 0.0:
        return None
    grade = sum(pair.low >= threshold for threshold in thresholds)
    return grade if grade or pair.high < thresholds[0] else None


def grade_pairs(pairs: Iterable[MemoryPair], thresholds: Sequence[float] = THRESHOLDS) -> tuple[list[GradedPair], int]:
    """The graded pairs by query, best first, and the number of pairs left out as undefined."""
    graded, left_out = [], 0
    for pair in pairs:
        grade = grade_of(pair, thresholds)
        if grade is None:
            left_out += 1
        else:
            graded.append(GradedPair(pair, grade))
    return sorted(
        graded, key=lambda one: (one.pair.query_key, -one.grade, -one.pair.score, one.pair.entity_id)
    ), left_out
