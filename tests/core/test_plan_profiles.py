"""Patterns over plans: planted patterns are found with unknown values and in any order."""

from __future__ import annotations

import numpy as np
import pytest

from ltrr.core.plan_profiles import PlanProfiles
from ltrr.errors import DataQualityError

QUERIES, PLANS, PATTERNS = 400, 40, 3


def planted(noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Values of plans with three patterns, and a mask by which two in three are known."""
    random = np.random.default_rng(3)
    patterns = random.normal(size=(PATTERNS, PLANS))
    values = random.normal(size=(QUERIES, PATTERNS)) * [3.0, 2.0, 1.0] @ patterns + random.normal(size=PLANS)
    values += 10.0 * random.normal(size=(QUERIES, 1)) + noise * random.normal(size=values.shape)
    return values, random.random(values.shape) < 2 / 3


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=1, keepdims=True)


def test_planted_patterns_are_recovered_exactly() -> None:
    values, _ = planted()
    everything = np.ones(values.shape, dtype=bool)
    profiles = PlanProfiles.of(values, everything, PATTERNS)
    predicted = profiles.values(profiles.shares(values, everything))
    np.testing.assert_allclose(centred(predicted), centred(values), atol=1e-3)
    np.testing.assert_allclose(profiles.patterns @ profiles.patterns.T, np.eye(PATTERNS), atol=1e-5)
    np.testing.assert_allclose(profiles.patterns.sum(axis=1), 0.0, atol=1e-4)


def test_unknown_values_are_predicted_from_known_ones() -> None:
    values, is_known = planted(noise=0.1)
    profiles = PlanProfiles.of(values, is_known, PATTERNS)
    predicted = centred(profiles.values(profiles.shares(values, is_known)))
    left = (predicted - centred(values))[~is_known]
    assert left.std() < 0.1 * centred(values)[~is_known].std()


def test_any_order_of_queries_gives_the_same_patterns() -> None:
    values, is_known = planted(noise=0.1)
    order = np.random.default_rng(1).permutation(QUERIES)
    one, other = PlanProfiles.of(values, is_known, 2), PlanProfiles.of(values[order], is_known[order], 2)
    np.testing.assert_allclose(one.patterns, other.patterns, atol=1e-5)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-5)


def test_a_weight_of_two_is_two_queries() -> None:
    values, _ = planted(noise=0.5)
    everything = np.ones(values.shape, dtype=bool)
    weights = np.where(np.arange(QUERIES) < 50, 2.0, 1.0)
    twice = np.concatenate((values, values[:50]))
    weighted = PlanProfiles.of(values, everything, 2, weights)
    repeated = PlanProfiles.of(twice, np.ones(twice.shape, dtype=bool), 2)
    np.testing.assert_allclose(weighted.patterns, repeated.patterns, atol=1e-5)
    np.testing.assert_allclose(weighted.mean, repeated.mean, atol=1e-5)


def test_patterns_are_read_back_from_text() -> None:
    values, is_known = planted(noise=0.1)
    profiles = PlanProfiles.of(values, is_known, PATTERNS)
    again = PlanProfiles.of_text(profiles.to_text())
    np.testing.assert_array_equal(again.values(np.ones((1, PATTERNS))), profiles.values(np.ones((1, PATTERNS))))
    assert again.to_text() == profiles.to_text()


def test_a_plan_without_a_known_value_is_refused() -> None:
    values, is_known = planted()
    is_known[:, 7] = False
    with pytest.raises(DataQualityError, match="1 plans without a known value"):
        PlanProfiles.of(values, is_known, PATTERNS)
