"""The terms of each decision that the registered estimators add up, in whole numbers of 2^-24.

One pass gathers the terms of all estimators (`estimation.fixed_point`), so any order and any
partitions of the log give the same bits. The standard error is the delta method's over clusters
(`estimation.intervals`).
"""

from __future__ import annotations

import numpy as np

from ltrr.errors import DataQualityError
from ltrr.estimation.arrays import Floats, Longs
from ltrr.estimation.decisions import LARGEST_SUMMABLE, TERMS, Decisions, TermInputs
from ltrr.estimation.estimators import list_plain_terms, list_ratio_terms
from ltrr.estimation.fixed_point import TERM_BITS, TERM_UNIT, to_fixed


def list_terms(*, has_model: bool) -> tuple[str, ...]:
    """The columns of `compute_terms`, in order: first those that ratios are made of."""
    return list_ratio_terms(has_model=has_model) + list_plain_terms()


def compute_terms(decisions: Decisions, largest_weight: float) -> Longs:
    """`compute_fixed_terms` as integers, a row a decision, [N, K]: to be added up by user.

    >>> terms = compute_terms(Decisions(np.array([2.0, 8.0]), np.array([1.0, 0.5])), largest_weight=4.0)
    >>> dict(zip(list_terms(has_model=False), (terms.sum(axis=0) / 2**24).tolist()))["clipped_reward"]
    4.0
    """
    return np.ascontiguousarray(to_fixed(compute_fixed_terms(decisions, largest_weight).T * TERM_UNIT))


def compute_fixed_terms(decisions: Decisions, largest_weight: float) -> Floats:
    """Terms of each decision, [K, N] in the order of `list_terms`: whole numbers of 2^-24, held in doubles.

    Args:
        decisions: N of them.
        largest_weight: M > 1.

    Raises:
        DataQualityError: A weight is above 262,144.
    """
    weights = decisions.weights
    if len(weights) and weights.max() > LARGEST_SUMMABLE:
        raise DataQualityError(
            "an importance weight is too large",
            which="logging_propensity",
            expected=f"weights up to {LARGEST_SUMMABLE:,.0f}",
            got=f"{weights.max():.4g}",
            todo="check whether the logged propensity is right: a value this small is most often a mistake",
        )
    inputs = TermInputs(decisions, largest_weight)
    names = list_terms(has_model=decisions.taken is not None)
    fixed = np.empty((len(names), len(weights)))
    for row, name in zip(fixed, names, strict=True):
        row[:] = TERMS[name].of(inputs)
    fixed *= 2.0**TERM_BITS
    return np.rint(fixed, out=fixed)
