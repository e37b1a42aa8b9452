"""Nightly looks spend the planned alpha, every window keeps the budget, slices are tested once."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.gate_study.challengers import DESIGN as BENCHMARKED
from benchmarks.gate_study.challengers import Challenger, traffic
from benchmarks.gate_study.streams import Scenario, run
from ltrr.errors import ConfigError, UsageError
from ltrr.estimation.boundary import critical_values, crossing_probabilities
from ltrr.estimation.intervals import Estimate, quantile
from ltrr.estimation.sequential import (
    EXPIRED,
    FUTILE,
    HARMED,
    KEEP,
    NOT_JUDGED,
    NOT_YET,
    PROMOTE,
    UNHARMED,
    Design,
    Look,
    SliceLook,
    Trial,
    assign_alpha,
    conditional_power,
    judge_looks,
    judge_slices,
    nights_to_verdict,
    promotion_probabilities,
    traffic_factor,
)

DESIGN = Design()


@given(st.lists(st.floats(0.6, 2.0), min_size=1, max_size=14), st.floats(0.001, 0.2), st.floats(1.0, 4.0))
@settings(max_examples=60)
def test_alpha_is_spent_as_planned_for_any_information(grown, alpha, shape) -> None:
    information = np.cumsum(grown).tolist()
    spent = [alpha * ((k + 1) / len(grown)) ** shape for k in range(len(grown))]
    critical = critical_values(information, spent)
    assert crossing_probabilities(information, critical, 0.0) == pytest.approx(spent, rel=1e-5)
    increments = np.diff([0.0, *spent])
    for value, by_now, increment in zip(critical, spent, increments, strict=True):
        assert quantile(1.0 - by_now) - 1e-9 <= value <= quantile(1.0 - increment) + 1e-9
    assert critical_values([1e6 * one for one in information], spent) == pytest.approx(critical, rel=1e-9)


@pytest.mark.parametrize(
    ("critical", "chance"),
    [([2.413] * 5, 0.025), ([2.040 * (5 / k) ** 0.5 for k in range(1, 6)], 0.025), ([2.122] * 5, 0.05)],
    ids=["Pocock .05 two-sided", "O'Brien-Fleming .05 two-sided", "Pocock .10 two-sided"],
)
def test_published_boundaries_have_their_published_error(critical, chance) -> None:
    """Jennison & Turnbull 2000, tables 2.1 and 2.3, five looks."""
    assert crossing_probabilities([1, 2, 3, 4, 5], critical, 0.0)[-1] == pytest.approx(chance, rel=0.01)


def test_a_night_without_new_information_is_no_look_and_spends_no_alpha() -> None:
    spent = [0.01, 0.02, 0.05]
    critical = critical_values([1.0, 1.001, 2.0], spent)
    assert critical[1] == inf
    assert critical[2] == pytest.approx(critical_values([1.0, 2.0], [0.01, 0.05])[1])
    assert crossing_probabilities([1.0, 1.001, 2.0], critical, 0.0) == pytest.approx([0.01, 0.01, 0.05], rel=1e-5)


@pytest.mark.parametrize(
    ("information", "spent"), [([1.0], []), ([1.0, 2.0], [0.02, 0.01]), ([0.0], [0.1]), ([nan], [0.1]), ([inf], [0.1])]
)
def test_looks_that_fit_no_schedule_are_refused(information, spent) -> None:
    with pytest.raises(UsageError, match="information and the spent alpha"):
        critical_values(information, spent)


@pytest.mark.statistical
def test_users_who_return_spend_no_more_than_planned() -> None:
    """20,000 streams of 80 users with own preferences, all active every night.

    Bounds of 4.9 Monte-Carlo errors around 5 %.
    """
    rng = np.random.default_rng(5)
    streams, users, nights, alpha = 20_000, 80, 8, 0.05
    totals, crossed, naive = np.zeros((streams, users)), np.zeros(streams, dtype=bool), np.zeros(streams, dtype=bool)
    taste, squares = rng.normal(0.0, 0.5, (streams, users)), np.zeros(streams)
    # With all users active every night, information is known in advance: night / (1 + night x
    # variance of the preference).
    information = [night / (1.0 + night * 0.25) for night in range(1, nights + 1)]
    critical = critical_values(information, [alpha * night / nights for night in range(1, nights + 1)])
    for night in range(1, nights + 1):
        terms = taste + rng.normal(size=(streams, users))
        totals, squares = totals + terms, squares + (terms**2).sum(axis=1)
        means = totals.sum(axis=1) / (users * night)
        by_user = (totals / night).std(axis=1, ddof=1) / np.sqrt(users)
        by_row = np.sqrt((squares / (users * night) - means**2) / (users * night))
        # Student's t of 79 degrees of freedom has somewhat heavier tails than the normal
        # distribution.
        crossed |= means / by_user >= critical[night - 1]
        naive |= means / by_row >= critical[night - 1]
    assert 0.0425 <= crossed.mean() <= 0.0645
    assert naive.mean() > 0.10


@given(st.lists(st.tuples(st.integers(1, 14), st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
@settings(max_examples=200)
def test_no_window_holds_more_than_alpha_of_challengers_that_are_no_better(lives) -> None:
    """Shares of trials that ended without promotion in any 60 nights add up to at most alpha."""
    night, trials = 0, []
    for nights, is_promoted, pause in lives:
        while (alpha := assign_alpha(trials, night, DESIGN)) == 0.0:
            night += 1
        trials.append(Trial(alpha, night + nights - 1, is_promoted))
        night += nights + pause
    for first in range(night):
        ended = [trial for trial in trials if not trial.is_promoted and first <= trial.ended < first + 60]
        assert sum(trial.alpha for trial in ended) <= DESIGN.alpha + 1e-12


def test_a_challenger_that_is_judged_holds_its_share() -> None:
    book = [Trial(0.01) for _ in range(5)]
    assert assign_alpha(book, 1_000, DESIGN) == 0.0
    assert assign_alpha([replace(book[0], is_promoted=True), *book[1:]], 1_000, DESIGN) == 0.01


def looks(value: float, error: float, nights: int) -> list[Look]:
    return [Look(night, Estimate(value, error / night**0.5)) for night in range(1, nights + 1)]


@pytest.mark.parametrize(
    ("history", "outcome"),
    [
        ([], KEEP),
        ([Look(1, Estimate(nan, nan))], KEEP),
        ([Look(14, Estimate(nan, nan))], EXPIRED),
        (looks(0.03, 0.06, 3), KEEP),
        (looks(0.03, 0.06, 14), EXPIRED),
        (looks(-0.05, 0.05, 9), FUTILE),
        (looks(0.10, 0.06, 8), PROMOTE),
    ],
    ids=["nothing", "undefined", "undefined to the end", "young", "old", "futile", "better"],
)
def test_a_life_ends_in_one_of_four_ways(history, outcome) -> None:
    assert judge_looks(history, 0.01, 0.6, {}, DESIGN).outcome == outcome


def test_a_promotion_that_waited_for_slices_needs_the_current_look_too() -> None:
    """The bound was crossed on night 3, and the challenger is worse on night 12: no promotion."""
    history = [Look(1, Estimate(0.02, 0.02)), Look(2, Estimate(0.04, 0.014)), Look(3, Estimate(0.08, 0.0115))]
    history += [Look(night, Estimate(0.08 - 0.011 * (night - 3), 0.02 / night**0.5)) for night in range(4, 13)]
    steps = {}
    for night in range(3, 13):
        slices = {"head": SliceLook(Estimate(history[night - 1].difference.value, 0.070 / night**0.5), 0.6)}
        steps[night] = judge_looks(history[:night], 0.01, 0.6, slices, DESIGN)
        z = history[night - 1].difference.value / history[night - 1].difference.standard_error
        assert steps[night].is_lost == (z < steps[night].critical)
        assert steps[night].outcome != PROMOTE or z >= steps[night].critical
    assert (steps[3].outcome, steps[3].slices) == (KEEP, {"head": NOT_YET})
    assert (steps[12].outcome, steps[12].is_lost) == (FUTILE, True)


def test_without_new_information_the_last_critical_value_counts() -> None:
    crossed = looks(0.2, 0.06, 4)
    again = replace(crossed[-1], night=5)
    assert judge_looks([*crossed, again], 0.01, 0.6, {}, DESIGN).outcome == PROMOTE
    fallen = Look(5, Estimate(0.01, again.difference.standard_error))
    assert judge_looks([*crossed, fallen], 0.01, 0.6, {}, DESIGN).outcome != PROMOTE
    # A night without new information is no look, so a higher Z on it does not count.
    flat = looks(0.01, 0.06, 4)
    assert judge_looks([*flat, Look(5, crossed[-1].difference)], 0.01, 0.6, {}, DESIGN).outcome == KEEP


def test_a_bound_that_is_crossed_waits_for_slices() -> None:
    history = looks(0.2, 0.06, 5)
    young = {"tail": SliceLook(Estimate(0.0, 0.03), 0.6)}
    step = judge_looks(history, 0.01, 0.6, young, DESIGN)
    assert (step.outcome, step.slices) == (KEEP, {"tail": NOT_YET})
    assert judge_looks(history, 0.01, 0.6, young, replace(DESIGN, waits_for_slices=False)).outcome == PROMOTE
    ready = {"tail": SliceLook(Estimate(0.0, 0.01), 0.6)}
    assert judge_looks(history, 0.01, 0.6, ready, DESIGN).slices == {"tail": UNHARMED}
    assert judge_looks(history, 0.01, 0.6, ready, DESIGN).outcome == PROMOTE
    harmed = {"tail": SliceLook(Estimate(-0.05, 0.01), 0.6)}
    assert judge_looks(history, 0.01, 0.6, harmed, DESIGN).outcome == HARMED


def test_slices_are_judged_together_or_named_as_not_judged() -> None:
    small = SliceLook(Estimate(-0.1, 0.3), 0.6)
    bare = SliceLook(Estimate(-0.1, 0.001), 0.6, has_evidence=False)
    undefined = SliceLook(Estimate(nan, nan), 0.6)
    fine = SliceLook(Estimate(0.01, 0.005), 0.6)
    found = judge_slices({"small": small, "bare": bare, "undefined": undefined, "fine": fine}, 14, DESIGN)
    assert found == {"small": NOT_JUDGED, "bare": NOT_JUDGED, "undefined": NOT_JUDGED, "fine": UNHARMED}
    assert judge_slices({"small": small, "fine": fine}, 13, DESIGN)["small"] == NOT_JUDGED
    assert judge_slices({}, 3, DESIGN) == {}


def test_more_slices_need_a_clearer_harm() -> None:
    look = SliceLook(Estimate(-0.02, 0.01), 0.6)
    assert judge_slices({"one": look}, 14, DESIGN)["one"] == HARMED
    assert judge_slices({f"slice {at}": look for at in range(12)}, 14, DESIGN)["slice 3"] == UNHARMED


def test_power_grows_with_traffic_gain_and_alpha() -> None:
    chances = promotion_probabilities(DESIGN, 0.01, 1.0, 1.0)
    assert list(chances) == sorted(chances)
    assert promotion_probabilities(DESIGN, 0.01, 1.0, 0.0)[-1] == pytest.approx(0.01, rel=1e-5)
    factor = traffic_factor(DESIGN, 0.01, 0.8)
    assert promotion_probabilities(DESIGN, 0.01, factor**2 / 14, 1.0)[-1] == pytest.approx(0.8, abs=1e-3)
    assert traffic_factor(DESIGN, 0.05, 0.8) < factor < traffic_factor(DESIGN, 0.01, 0.9)
    assert nights_to_verdict(DESIGN, 0.01, factor**2 / 14 + 0.01, 1.0, 0.8) == 14
    assert nights_to_verdict(DESIGN, 0.01, 100.0, 1.0, 0.8) == 1
    assert nights_to_verdict(DESIGN, 0.01, 0.1, 1.0, 0.8) == inf


def test_conditional_power_is_an_upper_bound_and_exact_on_the_last_night() -> None:
    start = conditional_power(0.0, 1e-6, 1, 1e3, 0.01, DESIGN)
    assert 0.0 <= start <= 1.0
    assert conditional_power(3.0, 10.0, 14, 0.0, 0.01, DESIGN) == 1.0
    assert conditional_power(1.0, 10.0, 14, 9.0, 0.01, DESIGN) == 0.0


@pytest.mark.statistical
def test_streams_with_heavy_weights_keep_the_error_rate() -> None:
    """A part of benchmarks/gate.py: of 300 lives, 3 false and 250 true promotions are expected."""
    impressions = traffic(Challenger(1.1, 0.02))
    equal = run(Scenario("equal", lambda *_: Challenger(1.1, 0.0), impressions, 14), 300, seed=8)
    better = run(Scenario("better", lambda *_: Challenger(1.1, 0.02), impressions, 14), 300, seed=8)
    assert np.isfinite(equal.promoted).sum() <= 14
    assert np.isfinite(better.promoted).sum() >= 210
    assert Design() == BENCHMARKED


@pytest.mark.parametrize(
    "change",
    [{"alpha": 0.6}, {"life_nights": 61}, {"shape": 0.5}, {"effect": 0.0}, {"futile_power": 0.5}, {"slice_harm": 0.0}],
)
def test_designs_out_of_range_are_refused(change) -> None:
    with pytest.raises(ConfigError, match="gate"):
        Design(**change)
