"""Wrong propensities raise alarms, correct ones do not, and the detection limits are true."""

from __future__ import annotations

from math import isnan, log, sqrt

import numpy as np
import pytest

from ltrr.estimation.calibration import LEVEL, Calibration
from ltrr.estimation.decisions import Decisions
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.propensity_finding import JUDGED, UNIFORM

ACTIONS = 4


def propensities(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    p = 0.05 + 0.8 * rng.dirichlet(np.ones(ACTIONS), rows)
    return p, rng.dirichlet(np.ones(ACTIONS), rows), rng


def drawn(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.random(len(p))[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, ACTIONS - 1)


def calibration(p, pi, action, *, is_listed=True) -> Calibration:
    places = np.arange(len(p))
    weights = pi[places, action] / p[places, action]
    return Calibration.of(p[places, action], action, loggings=p if is_listed else None, targets=pi, weights=weights)


def alarmed(found: Calibration, effect: float = 1.0) -> set[str]:
    return {finding.what for finding in found.findings(effect) if finding.excess}


def test_sums_and_bounds_are_those_of_the_formula() -> None:
    p, pi, rng = propensities(500, seed=1)
    action = drawn(p, rng)
    findings = {finding.what: finding for finding in calibration(p, pi, action).findings()}
    assert list(findings) == [*(f"action {a}" for a in range(ACTIONS)), JUDGED, UNIFORM]
    one = findings["action 2"]
    assert (one.observed, one.rows) == ((action == 2).sum(), 500)
    assert one.expected == pytest.approx(p[:, 2].sum(), abs=1e-4)
    assert one.variance == pytest.approx((p[:, 2] * (1 - p[:, 2])).sum(), abs=1e-4)
    assert one.strictness == pytest.approx(log(2 * (ACTIONS + 2) / LEVEL))
    judged = findings[JUDGED]
    assert judged.observed == pytest.approx((pi / p)[np.arange(500), action].sum(), abs=1e-4)
    assert judged.expected == pytest.approx(500, abs=1e-4)
    assert judged.variance == pytest.approx(((pi**2 / p).sum(axis=1) - 1).sum(), abs=1e-3)
    assert judged.largest == pytest.approx((pi / p).max(), abs=1e-6)
    assert not alarmed(calibration(p, pi, action))


def test_parts_in_any_order_are_the_whole_and_cross_a_process() -> None:
    p, pi, rng = propensities(300, seed=2)
    action = drawn(p, rng)
    for is_listed in (True, False):
        whole = calibration(p, pi, action, is_listed=is_listed)
        parts = [
            calibration(p[rows], pi[rows], action[rows], is_listed=is_listed)
            for rows in np.array_split(rng.permutation(300), 7)
        ]
        joined = sum(parts, Calibration())
        assert joined.findings() == whole.findings()
        assert Calibration.from_json(joined.to_json()) == joined


def test_wrong_propensities_raise_the_alarms_that_can_detect_them() -> None:
    p, pi, rng = propensities(4_000, seed=3)
    true = p.copy()
    true[:, [0, 1]] += 0.3 * p[:, [1]] * [1.0, -1.0]
    action = drawn(true, rng)
    assert alarmed(calibration(p, pi, action)) >= {"action 0", "action 1"}
    # Without the probabilities of the other actions, only an excess is a fault: a rare action looks
    # the same as a wrong propensity.
    assert alarmed(calibration(p, pi, action, is_listed=False)) == {"action 0"}
    one = next(f for f in calibration(p, pi, action, is_listed=False).findings() if f.what == "action 1")
    assert one.ratio == pytest.approx(0.7, abs=0.1)
    assert isnan(one.revealed_share(0.5))


def test_an_action_that_is_almost_never_drawn_raises_no_alarm() -> None:
    rows = 4_000
    p = np.where(np.arange(rows)[:, None] % 2, [0.1, 0.9, 0.0, 0.0], [1e-6, 1.0 - 1e-6, 0.0, 0.0])
    action = drawn(p, np.random.default_rng(4))
    for is_listed in (True, False):
        assert not alarmed(calibration(p, np.full((rows, ACTIONS), 0.25), action, is_listed=is_listed))


def test_one_draw_for_many_rows_of_a_user_raises_no_alarm() -> None:
    users = np.arange(6_000) // 50
    p, pi, rng = (part[users] if isinstance(part, np.ndarray) else part for part in propensities(120, seed=5))
    found, careless = set(), set()
    for _ in range(40):
        action = drawn(p[::50], rng)[users]
        weights = (pi / p)[np.arange(6_000), action]
        moments = LoggedMoments.of(Decisions(weights, np.zeros(6_000)), 100.0, users)
        assert moments.design_effect == pytest.approx(50.0, rel=0.01)
        found |= alarmed(calibration(p, pi, action), moments.design_effect)
        careless |= alarmed(calibration(p, pi, action))
    assert not found
    assert careless
    anew = LoggedMoments.of(Decisions((pi / p)[np.arange(6_000), drawn(p, rng)], np.zeros(6_000)), 100.0, users)
    assert anew.design_effect == pytest.approx(1.0, abs=0.4)


@pytest.mark.statistical
@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_errors_at_the_detection_limit_raise_alarms(is_listed, factor) -> None:
    p, pi, rng = propensities(5_000, seed=6)
    correct = calibration(p, pi, drawn(p, rng), is_listed=is_listed).findings()
    share = next(f for f in correct if f.what == UNIFORM).revealed_share(factor)
    if not is_listed and factor < 1.0:
        assert isnan(share)
        return
    assert 0.0 < share < 0.3
    found = {1.0: 0, 0.3: 0}
    for part in found:
        for _ in range(200):
            action, logged, places = drawn(p, rng), p.copy(), np.arange(5_000)
            logged[places, action] /= np.where(rng.random(5_000) < part * share, factor, 1.0)
            found[part] += UNIFORM in alarmed(calibration(logged, pi, action, is_listed=is_listed))
    # 99 % less five standard errors of 200 trials.
    assert found[1.0] / 200 >= 0.99 - 5.0 * sqrt(0.99 * 0.01 / 200)
    assert found[0.3] < 100


def test_a_few_rows_reveal_no_error_and_have_no_limit() -> None:
    p, pi, rng = propensities(10, seed=7)
    for finding in calibration(p, pi, drawn(p, rng)).findings():
        assert isnan(finding.revealed_share(2.0))
        assert isnan(finding.revealed_factor(is_above=False))
    assert Calibration().findings() == []
