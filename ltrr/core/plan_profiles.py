"""In how few ways the values of plans differ: patterns over all plans, and how much of each a query has.

What unseen blocks add to the plans of one query is a vector over all plans. Those vectors are much
alike: around their mean, and less what all plans of the query have in common (which no choice
depends on), 16 patterns hold nine tenths of the variance of 126 plans. So a model predicts the 16
numbers of a query, from one row a query, and not 126 values from 126 rows: on real films, first
blocks visible, .40 of the gap from the best static plan to the oracle against .32 (one log of a
trial; docs/studies/retrieval.md has five).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from ltrr.core.arrays import Bools, Floats
from ltrr.errors import DataQualityError

PLAN_PROFILES = "plan_profiles"
"""Attribute of a model that predicts shares: the patterns, as text."""

_PLACES = 6
_LEAST_VARIANCE = 1e-9
_ROUNDS = 3
"""How often patterns are found again with what they say of the unknown values; more changed nothing."""


@dataclass(frozen=True, eq=False)
class PlanProfiles:
    """Patterns in the values that unseen blocks add to plans.

    Attributes:
        mean: of every plan, [P]; reward.
        patterns: orthonormal rows that each add up to zero, [K, P].
        noise: variance that the patterns leave in one plan's value, over the variance of each
            pattern's share, [K].

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
        """The strongest patterns of some queries' values: principal components.

        Where values are unknown, they are first taken for those of an average plan of the query,
        then for what the patterns themselves say, a few times over (Dempster, Laird & Rubin, JRSS B
        1977).

        Args:
            added: [N, P].
            is_known: which of them are known, [N, P].
            patterns: how many, at most as many as differ.
            weights: of the queries, [N]; alike where there are none.

        Raises:
            DataQualityError: fewer than two queries, or a plan that is known of none.
        """
        if len(added) < 2 or not is_known.any(axis=0).all():
            raise DataQualityError(
                "plans cannot be compared",
                which="values of plans",
                expected="at least 2 queries, and every plan known of one",
                got=f"{len(added)} queries, {int((~is_known.any(axis=0)).sum())} plans known of none",
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
            told = profiles.values(profiles.shares(added, is_known))
            complete = np.where(is_known, added, told + _common(added - told, is_known)[:, None])
        return profiles

    def shares(self, added: Floats, is_known: Bools) -> Floats:
        """How much of each pattern every query has, [N, K], from the plans that are known; shrunk where some are not.

        Args:
            added: [N, P]; all plans of a query may differ from the known ones by one constant.
            is_known: [N, P].
        """
        left = added - self.mean
        shares = np.zeros((len(added), len(self.patterns)))
        # Queries are alike in what is known: those with one and the same mask share a
        # factorisation.
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
        """Values of all plans from shares [N, K]: [N, P], but for a constant a query."""
        return np.asarray(self.mean + shares @ self.patterns)

    def to_text(self) -> str:
        """As JSON; the same patterns are the same text."""
        return json.dumps([self.mean.tolist(), self.patterns.tolist(), self.noise.tolist()], separators=(",", ":"))

    @staticmethod
    def of_text(text: str) -> PlanProfiles:
        """Back from `to_text`."""
        return PlanProfiles(*(np.array(array, dtype=np.float64) for array in json.loads(text)))


def _common(left: Floats, is_known: Bools) -> Floats:
    """Mean of the known values of each query, [N]; 0 where none is."""
    return np.asarray(np.where(is_known, left, 0.0).sum(axis=1) / np.maximum(is_known.sum(axis=1), 1))
