"""The position-based model in numpy: curve, standard errors, and sums in any order."""

import numpy as np
import pytest

from ltrr.clicks.examination import (
    CurvePrior,
    CurveSums,
    extend_curve,
    improve_curve,
    linked_positions,
    prior_curve,
    standard_errors,
)

TRUE_CURVE = np.array([1.0, 0.7, 0.5, 0.35, 0.3])
PRIOR = CurvePrior(prior_curve(5, 1.0), clicks=5.0)


def simulate(seed: int, pairs: int, curve: np.ndarray = TRUE_CURVE) -> tuple[np.ndarray, np.ndarray]:
    """Pairs shown once at two or three random positions, the fewest that identify a curve."""
    rng = np.random.default_rng(seed)
    shown = np.zeros((pairs, curve.size))
    for _ in range(3):
        shown[np.arange(pairs), rng.integers(0, curve.size, pairs)] = 1.0
    attractiveness = rng.beta(1.0, 1.0, pairs)
    clicks = (rng.random(shown.shape) < attractiveness[:, None] * curve) * shown
    return shown, clicks


def fit(shown: np.ndarray, clicks: np.ndarray, prior: CurvePrior = PRIOR) -> tuple[np.ndarray, np.ndarray]:
    curve = prior.curve
    for _ in range(12):
        sums = CurveSums.of(shown, clicks, curve)
        curve = improve_curve(curve, sums, prior)
    return curve, standard_errors(curve, CurveSums.of(shown, clicks, curve), prior)


@pytest.mark.statistical
def test_it_recovers_the_curve_from_pairs_with_hardly_any_impressions():
    curve, errors = fit(*simulate(seed=11, pairs=60_000))
    # Six standard errors: exceeded by chance at one of four positions for fewer than 1e-8 of seeds.
    assert np.all(np.abs(curve - TRUE_CURVE)[1:] < 6 * errors[1:])
    assert errors[1:].max() < 0.02


@pytest.mark.statistical
def test_standard_errors_are_those_that_repetition_shows():
    fits = [fit(*simulate(seed, pairs=3_000)) for seed in range(60)]
    z = np.array([(curve - TRUE_CURVE)[1:] / errors[1:] for curve, errors in fits])
    # 240 values, correlated within a fit: at least 60 independent ones. A standard deviation
    # outside (.65, 1.45) has a chance below 1e-6 for 60 normal values, as has a mean beyond 5 /
    # sqrt(60).
    assert 0.65 < z.std() < 1.45
    assert np.all(np.abs(z.mean(axis=0)) < 5 / np.sqrt(60))


def test_sums_are_the_same_in_any_order_and_any_split():
    shown, clicks = simulate(seed=3, pairs=500)
    whole = CurveSums.of(shown, clicks, TRUE_CURVE).cells()
    order = np.random.default_rng(4).permutation(500)
    pieces = [CurveSums.of(shown[rows], clicks[rows], TRUE_CURVE) for rows in np.array_split(order, 13)]
    total = pieces[0]
    for piece in pieces[1:]:
        total = total + piece
    assert np.array_equal(whole, total.cells())


def test_pairs_without_clicks_or_at_one_position_say_nothing():
    curve = TRUE_CURVE
    silent = CurveSums.of(np.array([[5.0, 3, 0, 0, 2]]), np.zeros((1, 5)), curve)
    alone = CurveSums.of(np.array([[0, 9.0, 0, 0, 0]]), np.array([[0, 4.0, 0, 0, 0]]), curve)
    for sums in (silent, alone):
        assert np.array_equal(sums.clicks, sums.expected)
        assert not sums.information.any()
        assert not sums.scatter.any()


def test_newton_ends_where_plain_em_ends():
    shown, clicks = simulate(seed=5, pairs=2_000)
    fast, _ = fit(shown, clicks)
    slow = PRIOR.curve
    for _ in range(3_000):
        exposure = shown * slow
        attractiveness = clicks.sum(axis=1) / exposure.sum(axis=1)
        prior_attractiveness = PRIOR.clicks / slow.sum()
        seen = clicks.sum(axis=0) + PRIOR.clicks * PRIOR.curve / PRIOR.curve.sum()
        slow = seen / ((shown * attractiveness[:, None]).sum(axis=0) + prior_attractiveness)
        slow = slow / slow[0]
    # Sums are rounded to 2^-20 a pair, hence not to the last bit.
    np.testing.assert_allclose(fast, slow, rtol=1e-6)


def test_a_far_start_takes_the_step_that_cannot_overshoot():
    shown = np.full((50, 2), 1_000.0)
    clicks = np.tile([5.0, 500.0], (50, 1))
    prior = CurvePrior(prior_curve(2, 3.0), clicks=1e-3)
    curve, _ = fit(shown, clicks, prior)
    assert curve[1] == pytest.approx(100.0, rel=1e-3)


def test_without_data_the_prior_stands():
    nothing = np.zeros((0, 5))
    curve, _ = fit(nothing, nothing)
    np.testing.assert_allclose(curve, PRIOR.curve, rtol=1e-12)


def test_a_position_without_clicks_stays_above_zero():
    shown = np.full((20, 3), 50.0)
    clicks = np.tile([20.0, 10.0, 0.0], (20, 1))
    curve, _ = fit(shown, clicks, CurvePrior(prior_curve(3, 1.0), clicks=5.0))
    assert 0 < curve[2] < 0.02


def test_positions_that_no_pair_ties_are_not_linked():
    # Positions 1-3 share pairs, 4-5 share others.
    shown = np.zeros((40, 5))
    shown[:20, :3] = 1
    shown[20:, 3:] = 1
    links = CurveSums.of(shown, shown, TRUE_CURVE).links
    assert linked_positions(links, fewest_pairs=20).tolist() == [True, True, True, False, False]
    assert not linked_positions(links, fewest_pairs=21).any()


def test_unknown_positions_continue_in_the_shape_of_the_prior():
    known = np.array([True, True, False, True, False])
    curve = extend_curve(TRUE_CURVE, known, PRIOR.curve)
    assert curve[[0, 1, 3]].tolist() == TRUE_CURVE[[0, 1, 3]].tolist()
    assert curve[2] == pytest.approx(0.7 * 2 / 3)
    assert curve[4] == pytest.approx(0.35 * 4 / 5)
