"""The terms of each decision that the registered estimators add up, in whole numbers of 2^-24.

One pass computes the terms of all estimators. Their sums have the same bits for any order and any
partitions of the log (`estimation.fixed_point`). The standard error is that of the delta method
over clusters (`estimation.intervals`).
"""

from __future__ import annotations

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.errors import DataQualityError
from ltrr.estimation.decisions import LARGEST_SUMMABLE, TERMS, Decisions, TermInputs
from ltrr.estimation.estimators import list_plain_terms, list_ratio_terms
from ltrr.estimation.fixed_point import TERM_BITS, TERM_UNIT, to_fixed


def list_terms(*, has_model: bool, is_sampled: bool = False) -> tuple[str, ...]:
    """The columns of `compute_terms`, in order: first the terms of ratios, then the plain terms."""
    return list_ratio_terms(has_model=has_model) + list_plain_terms(is_sampled=is_sampled)


def compute_terms(decisions: Decisions, largest_weight: float) -> Longs:
    """`compute_fixed_terms` as integers, one row for each decision, [N, K].

    >>> decisions = Decisions(np.array([2.0, 8.0]), np.array([1.0, 0.5]))
    >>> sums = compute_terms(decisions, largest_weight=4.0).sum(axis=0) / 2**24
    >>> dict(zip(list_terms(has_model=False), sums.tolist()))["clipped_reward"]
    4.0
    """
    return np.ascontiguousarray(to_fixed(compute_fixed_terms(decisions, largest_weight).T * TERM_UNIT))


def compute_fixed_terms(decisions: Decisions, largest_weight: float) -> Floats:
    """Terms of each decision, [K, N], in the order of `list_terms`.

    They are whole numbers of 2^-24, as doubles.

    Args:
        decisions: N decisions.
        largest_weight: M > 1.

    Raises:
        DataQualityError: A weight, times its sampling weight, is above 262,144.
    """
    weights = decisions.full_weights
    if len(weights) and weights.max() > LARGEST_SUMMABLE:
        raise DataQualityError(
            "an importance weight is too large",
            which="logging_propensity",
            expected=f"weights up to {LARGEST_SUMMABLE:,.0f}",
            got=f"{weights.max():.4g}",
            todo="check the logged propensity: a value this small is usually a mistake",
        )
    inputs = TermInputs(decisions, largest_weight)
    names = list_terms(has_model=decisions.taken is not None, is_sampled=decisions.sampling is not None)
    fixed = np.empty((len(names), len(weights)))
    for row, name in zip(fixed, names, strict=True):
        row[:] = TERMS[name].compute(inputs)
    fixed *= 2.0**TERM_BITS
    return np.rint(fixed, out=fixed)
