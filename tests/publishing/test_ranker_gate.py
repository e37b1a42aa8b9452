"""A ranker's trial: frozen files, the served order, the common budget, and each end."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import nan

import pytest

from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import UNDEFINED, Estimate
from ltrr.estimation.sequential import EXPIRED, FUTILE, KEEP, PROMOTE
from ltrr.publishing.challenger_rows import challenger_rows, read_challengers
from ltrr.publishing.challengers import Candidate, review_challenger
from ltrr.publishing.gate import Judgement
from ltrr.publishing.ranker_gate import MEASURE, RankerCandidate, RankerReview, of_note, review_ranker, to_note
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import RANKER_TRIAL, REPLACED, FrozenBandit, alpha_left, current_trial

GATE = GateSettings()
FIRST = date(2026, 3, 2)
NOTHING = Judgement(UNDEFINED, nan, nan, nan, 0, 0, 0, measure=MEASURE)
BAD, SO_SO, GOOD = (
    Judgement(Estimate(gain, 0.005), 0.7, 900.0, 900.0, 9_000, 900, 1, measure=MEASURE) for gain in (-0.2, 0.012, 0.1)
)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def night(number: int, trials=(), judgement: Judgement = NOTHING, served: str = "s", **more) -> RankerReview:
    """Night `number`, with a candidate of its own; `candidate=` and `waits=` change that."""
    candidate = more.pop("candidate", RankerCandidate(f"r{number}", day(number - 1), f"run{number}"))
    return review_ranker(trials, day(number), "search", served, judgement, candidate, GATE, more.pop("waits", ""))


def test_a_new_ranker_begins_with_a_share_and_is_judged_from_the_next_night_on() -> None:
    review = night(1, judgement=GOOD)
    [one] = review.challengers
    assert (one.kind, one.bandit.files, one.data_end) == (RANKER_TRIAL, {"ranker.ubj": "r1"}, day(0))
    assert (one.alpha, one.night, one.outcome, review.verdict, review.promoted) == (0.01, 0, KEEP, None, "")
    assert "begins with alpha 0.01" in review.why


@pytest.mark.parametrize(
    ("judgement", "outcome", "promoted"), [(BAD, FUTILE, ""), (SO_SO, KEEP, ""), (GOOD, PROMOTE, "r1")]
)
def test_the_sequential_gate_judges_the_ranker_that_was_frozen(judgement, outcome, promoted) -> None:
    review = night(2, night(1).challengers, judgement)
    assert review.judged is not None
    assert (review.judged.outcome, review.promoted) == (outcome, promoted)
    assert review.judged.bandit.files == {"ranker.ubj": "r1"}
    assert f"weighted DCG differs by {judgement.difference.value:+.4f}" in review.judged.why
    # A refused ranker keeps its alpha; the next one begins at once with its own share.
    spent = {FUTILE: 0.02, KEEP: 0.01, PROMOTE: 0.01}[outcome]
    assert alpha_left(review.challengers, day(2), GATE) == pytest.approx(0.05 - spent)


def test_a_difference_that_one_fixed_test_a_night_would_promote_is_not_enough() -> None:
    """An earlier gate promoted at every lower bound above 0 at level .025."""
    review = night(2, night(1).challengers, replace(SO_SO, difference=Estimate(0.012, 0.005)))
    assert SO_SO.difference.low(0.975) > 0.0
    assert review.judged is not None
    assert review.judged.outcome == KEEP


def test_a_trial_ends_by_age() -> None:
    review = night(1)
    for number in range(2, 16):
        review = night(number, review.challengers, SO_SO if number < 15 else NOTHING)
    assert review.judged is not None
    assert (review.judged.outcome, review.judged.night) == (EXPIRED, GATE.life_nights)


def test_looks_end_with_the_order_that_they_compared_with() -> None:
    review = night(2, night(1).challengers, GOOD, served="another")
    assert review.judged is not None
    assert (review.judged.outcome, review.verdict, review.promoted) == (REPLACED, None, "")
    # Its alpha stays spent, and the night's ranker begins against the new order.
    now = current_trial(review.challengers, RANKER_TRIAL)
    assert now is not None
    assert now.against == FrozenBandit.of_ranker("search", "another").digest
    assert alpha_left(review.challengers, day(2), GATE) == pytest.approx(0.03)


def test_while_something_else_changes_no_ranker_takes_a_look_or_begins() -> None:
    review = night(2, night(1).challengers, GOOD, waits="a canary runs")
    assert review.judged is not None
    assert (review.judged.outcome, review.judged.looks) == (KEEP, ())
    assert (review.judged.waited, review.judged.on(day(3))) == (1, 1)
    assert "is extended: a canary runs" in review.why
    assert night(1, waits="a canary runs").challengers == ()


def test_no_alpha_is_drawn_for_the_served_ranker_or_for_one_that_held_out_queries_speak_against() -> None:
    assert "byte for byte" in night(1, served="r1").why
    worse = RankerCandidate("r1", day(0), report=replace(GOOD, difference=Estimate(-0.001, 0.01)))
    better = RankerCandidate("r1", day(0), report=SO_SO, share=0.09)
    assert night(1, candidate=worse).challengers == ()
    assert "at this traffic of 100,000 impressions a night" in night(1, candidate=better).why
    assert night(1, candidate=None).why == ""


def test_bandits_and_rankers_share_one_budget_and_neither_sees_the_others_trial() -> None:
    champion = FrozenBandit("search", {}, None, ExplorationSettings())
    trials, shares = (), []
    for number in range(1, 90):
        bandit = FrozenBandit("search", {"bandit.vw": f"b{number}"}, None, ExplorationSettings())
        trials = review_challenger(
            trials, day(number), champion, NOTHING, Candidate(bandit, day(number)), GATE
        ).challengers
        trials = night(number, trials).challengers
        shares.append(sum(one.alpha for one in trials))
        assert shares[-1] <= GATE.alpha + 1e-12
        assert all(one.outcome in (KEEP, EXPIRED) for one in trials)
    assert max(shares) == pytest.approx(GATE.alpha)
    assert {one.kind for one in trials} == {RANKER_TRIAL, "bandit"}


def test_a_judgement_comes_back_from_its_note() -> None:
    for one in (GOOD, replace(GOOD, objections=("replay was unequal",))):
        assert of_note(to_note(one)) == one
    undefined = of_note(to_note(NOTHING))
    assert undefined is not None
    assert not undefined.difference.is_defined
    assert of_note(None) is None


@pytest.mark.spark
def test_the_book_keeps_a_rankers_trial(spark) -> None:
    review = night(2, night(1).challengers, SO_SO)
    rows = challenger_rows(spark, day(2), review.challengers)
    assert tuple(read_challengers(rows, day(2))) == review.challengers
