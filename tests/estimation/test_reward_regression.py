"""The regression finds the optimum: zero gradient, the same bits, known coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from ltrr.estimation.reward_regression import StepSums, expected_reward, fit_rewards


def rows(n: int, seed: int):
    rng = np.random.default_rng(seed)
    z = np.column_stack([np.ones(n), rng.normal(size=(n, 6))])
    truth = np.array([-4.0, 1.0, -0.5, 0.0, 0.3, 0.0, 0.2])
    return z, truth, (rng.random(n) < expected_reward(z @ truth, is_logistic=True)).astype(float)


def test_the_penalised_gradient_vanishes_at_the_solution() -> None:
    z, _, rewards = rows(4_000, seed=1)
    found = fit_rewards(z, rewards, ridge=2.0)
    gradient = z.T @ (rewards - expected_reward(z @ found, is_logistic=True))
    np.testing.assert_allclose(gradient[0], 0.0, atol=1e-4)
    np.testing.assert_allclose(gradient[1:], 2.0 * found[1:], atol=1e-4)


def test_order_and_cut_give_the_same_bits() -> None:
    z, truth, rewards = rows(3_000, seed=2)
    order = np.random.default_rng(3).permutation(3_000)
    whole = StepSums.of(z, rewards, truth, is_logistic=True)
    parts = [StepSums.of(z[part], rewards[part], truth, is_logistic=True) for part in np.array_split(order, 7)]
    assert sum(parts[1:], start=parts[0]) == whole


@pytest.mark.statistical
def test_true_coefficients_are_recovered() -> None:
    z, truth, rewards = rows(40_000, seed=4)
    found = fit_rewards(z, rewards, ridge=1.0)
    q = expected_reward(z @ truth, is_logistic=True)
    errors = np.sqrt(np.diag(np.linalg.inv((z * (q * (1 - q))[:, None]).T @ z)))
    # 7 coefficients at 5.5 standard errors: a false alarm with a probability below 3e-7.
    assert (np.abs(found - truth) < 5.5 * errors + 0.01).all()


def test_separable_rewards_converge_too() -> None:
    z = np.column_stack([np.ones(200), np.repeat([0.0, 1.0], 100)])
    found = fit_rewards(z, z[:, 1], ridge=1.0)
    assert np.isfinite(found).all()
    assert expected_reward(z @ found, is_logistic=True)[[0, -1]].round().tolist() == [0.0, 1.0]
