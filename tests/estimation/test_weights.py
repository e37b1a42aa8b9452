"""Importance weights refuse invalid probabilities instead of turning them into large weights."""

from __future__ import annotations

import numpy as np
import pytest

from ltrr.errors import DataQualityError
from ltrr.estimation.weights import importance_weights, unsupported_mass


@pytest.mark.parametrize("logging", [0.0, -0.1, 1.5, float("nan"), float("inf")])
def test_logging_propensity_must_be_a_probability_above_zero(logging: float) -> None:
    with pytest.raises(DataQualityError, match="logging_propensity"):
        importance_weights([0.5, logging], [0.5, 0.5])


@pytest.mark.parametrize("target", [-0.1, 1.5, float("nan")])
def test_target_propensity_must_be_a_probability(target: float) -> None:
    with pytest.raises(DataQualityError, match="target_propensity"):
        importance_weights([0.5, 0.5], [0.5, target])


def test_weights_of_a_policy_against_itself_are_one() -> None:
    propensities = np.random.default_rng(1).uniform(0.01, 1.0, 100)
    assert importance_weights(propensities, propensities).tolist() == [1.0] * 100


def test_weights_average_one_under_the_logging_policy() -> None:
    logging, target = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    weights = importance_weights(logging, target)
    assert float(logging @ weights) == pytest.approx(1.0)


def test_unsupported_mass_is_what_the_log_can_never_show() -> None:
    logging = [[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]
    assert unsupported_mass(logging, [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]]).tolist() == pytest.approx([0.7, 0.0])
