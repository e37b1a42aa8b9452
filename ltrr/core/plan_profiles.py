"""Patterns over all plans, and the share of each pattern in the values of one query.

What unseen blocks add to the plans of one query is a vector over all plans. These vectors are
similar: after subtracting their mean, and what all plans of a query have in common (no choice
depends on it), 16 patterns explain nine tenths of the variance of 126 plans. A model therefore
predicts the 16 shares of a query from one row, instead of 126 values from 126 rows. On real films
with the first blocks visible, this closes .40 of the gap from the best static plan to the oracle,
against .32 (one log of a trial; docs/studies/retrieval.md has five).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from ltrr.arrays import Bools, Floats
from ltrr.errors import DataQualityError

PLAN_PROFILES = "plan_profiles"
"""Name of the attribute in which a model of shares stores the patterns, as text."""

_PLACES = 6
_LEAST_VARIANCE = 1e-9
_ROUNDS = 3
"""Number of times that unknown values are estimated from the patterns; more changed nothing."""


@dataclass(frozen=True, eq=False)
class PlanProfiles:
    """Patterns in the values that unseen blocks add to plans.

    Attributes:
        mean: Mean value of every plan, [P]; reward.
        patterns: Orthonormal rows that each add up to zero, [K, P].
        noise: Variance that the patterns do not explain in one plan's value, over the variance of
            each pattern's share, [K].

    >>> added = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [4.0, 5.0, 6.0]])
    >>> profiles = PlanProfiles.of(added, np.ones((3, 3), dtype=bool), patterns=1)
    >>> values = profiles.values(profiles.shares(added, np.ones((3, 3), dtype=bool)))
    >>> np.diff(values, axis=1).round(3).tolist()
    [[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0]]
    """

    mean: Floats
    patterns: Floats
    noise: Floats

    @staticmethod
    def of(added: Floats, is_known: Bools, patterns: int, weights: Floats | None = None) -> PlanProfiles:
        """The strongest patterns in the values of some queries: principal components.

        Unknown values are first set to those of an average plan of the query, then repeatedly to
        what the patterns predict (Dempster, Laird & Rubin, JRSS B 1977).

        Args:
            added: Values that unseen blocks add, [N, P].
            is_known: Whether each value is known, [N, P].
            patterns: Largest number of patterns.
            weights: Weights of the queries, [N]; equal by default.

        Raises:
            DataQualityError: there are fewer than two queries, or no value of some plan is known.
        """
        if len(added) < 2 or not is_known.any(axis=0).all():
            raise DataQualityError(
                "plans cannot be compared",
                which="values of plans",
                expected="at least 2 queries, and a known value of every plan",
                got=f"{len(added)} queries, {int((~is_known.any(axis=0)).sum())} plans without a known value",
            )
        weight = np.ones(len(added)) if weights is None else weights / weights.mean()
        counted = weight[:, None] * is_known
        mean = (counted * np.where(is_known, added, 0.0)).sum(axis=0) / counted.sum(axis=0)
        complete = np.where(is_known, added, mean + _common(added - mean, is_known)[:, None])
        for _ in range(_ROUNDS):
            mean = (weight[:, None] * complete).mean(axis=0)
            left = complete - mean
            left = left - left.mean(axis=1, keepdims=True)
            variances, vectors = np.linalg.eigh(left.T @ (weight[:, None] * left))
            order = np.argsort(-variances, kind="stable")[: min(patterns, len(added), added.shape[1] - 1)]
            # The sign of an eigenvector is arbitrary: the largest entry is made positive.
            rows = vectors[:, order].T
            rows = rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])[:, None]
            rest = max(float(variances.sum() - variances[order].sum()), 0.0) / added.shape[1]
            noise = rest / np.maximum(variances[order], _LEAST_VARIANCE)
            profiles = PlanProfiles(*(np.round(array, _PLACES) for array in (mean, rows, noise)))
            if is_known.all():
                break
            predicted = profiles.values(profiles.shares(added, is_known))
            complete = np.where(is_known, added, predicted + _common(added - predicted, is_known)[:, None])
        return profiles

    def shares(self, added: Floats, is_known: Bools) -> Floats:
        """Share of each pattern in the values of every query, [N, K], from the known values.

        Shares are shrunk if some values are unknown.

        Args:
            added: Values, [N, P]; a constant may be added to all plans of a query.
            is_known: Whether each value is known, [N, P].
        """
        left = added - self.mean
        shares = np.zeros((len(added), len(self.patterns)))
        # Many queries have the same known plans, and share one factorisation.
        masks, of_mask = np.unique(is_known, axis=0, return_inverse=True)
        for number, mask in enumerate(masks):
            rows, plans = np.flatnonzero(of_mask.ravel() == number), np.flatnonzero(mask)
            if len(plans) == len(mask):
                shares[rows] = left[rows] @ self.patterns.T
            elif len(plans) > 1:
                seen = self.patterns[:, plans]
                seen = seen - seen.mean(axis=1, keepdims=True)
                penalty = np.diag(self.noise + _LEAST_VARIANCE)
                shares[rows] = np.linalg.solve(seen @ seen.T + penalty, seen @ left[np.ix_(rows, plans)].T).T
        return shares

    def values(self, shares: Floats) -> Floats:
        """Values of all plans from shares [N, K]: [N, P], up to a constant per query."""
        return np.asarray(self.mean + shares @ self.patterns)

    def to_text(self) -> str:
        """The patterns as JSON; equal patterns give equal texts."""
        return json.dumps([self.mean.tolist(), self.patterns.tolist(), self.noise.tolist()], separators=(",", ":"))

    @staticmethod
    def of_text(text: str) -> PlanProfiles:
        """The patterns from the result of `to_text`."""
        return PlanProfiles(*(np.array(array, dtype=np.float64) for array in json.loads(text)))


def _common(left: Floats, is_known: Bools) -> Floats:
    """Mean of the known values of each query, [N]; 0 if none is known."""
    return np.asarray(np.where(is_known, left, 0.0).sum(axis=1) / np.maximum(is_known.sum(axis=1), 1))
