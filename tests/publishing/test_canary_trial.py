"""A canary's trial: its alpha from the common budget, its ends, and no other changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import nan

import pytest

from ltrr.artifacts.pointer import Canary
from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import UNDEFINED, Estimate
from ltrr.estimation.sequential import EXPIRED, FUTILE, HARMED, KEEP, PROMOTE, SliceLook
from ltrr.publishing.canary_trial import ENDED, WAITS, CanaryReview, review_canary
from ltrr.publishing.challenger_rows import challenger_rows, read_challengers
from ltrr.publishing.challengers import Candidate, review_challenger
from ltrr.publishing.gate import Judgement
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import Challenger, FrozenBandit, alpha_left, current_trial

GATE = GateSettings()
FIRST = date(2026, 3, 2)
UNIFORM = FrozenBandit("search", {}, None, ExplorationSettings(floor_share=1.0))
TRIED = FrozenBandit("search", {"bandit.vw": "b", "ranker.ubj": "r"}, None, ExplorationSettings())
CANARY = Canary("2026-03-02-000000000001", 0.1, "2026-03-03T09:00:00.000+00:00")
NOTHING = Judgement(UNDEFINED, nan, nan, nan, 0, 0, 0)
BAD, SO_SO, GOOD = (Judgement(Estimate(gain, 0.01), 0.6, 900.0, 900.0, 9_000, 900, 1) for gain in (-0.3, 0.022, 0.2))


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def night(
    number: int, trials: tuple[Challenger, ...] = (), judgement: Judgement = NOTHING, canary: Canary | None = CANARY
) -> CanaryReview:
    return review_canary(trials, day(number), canary, TRIED, UNIFORM, judgement, GATE)


def test_it_begins_with_a_share_of_the_same_budget_and_is_judged_from_the_next_night_on() -> None:
    review = night(1, judgement=GOOD)
    assert review.judged is not None
    assert (review.judged.alpha, review.judged.night, review.judged.outcome, review.verdict) == (0.01, 0, KEEP, None)
    assert review.is_running
    assert alpha_left(review.challengers, day(1), GATE) == 0.04
    assert "canary of 0.1 of users" in review.judged.why


@pytest.mark.parametrize(
    ("judgement", "outcome"),
    [
        (BAD, FUTILE),
        (SO_SO, KEEP),
        (GOOD, PROMOTE),
        (replace(GOOD, slices={"long": SliceLook(Estimate(-0.1, 0.005), 0.6)}), HARMED),
        (replace(GOOD, objections=("replay was unequal",)), KEEP),
    ],
)
def test_the_gate_judges_it_as_it_judges_a_challenger(judgement: Judgement, outcome: str) -> None:
    review = night(2, night(1).challengers, judgement)
    assert review.judged is not None
    assert review.verdict is not None
    assert (review.judged.outcome, review.is_running) == (outcome, outcome == KEEP)
    held = 0.0 if outcome == PROMOTE else 0.01
    assert alpha_left(review.challengers, day(2), GATE) == pytest.approx(0.05 - held)
    assert review.judged.looks == (() if judgement.objections else review.judged.looks)


def test_it_expires_after_its_nights() -> None:
    review = night(1)
    for number in range(2, 16):
        review = night(number, review.challengers, SO_SO if number < 15 else NOTHING)
    assert review.judged is not None
    assert (review.judged.outcome, review.judged.night) == (EXPIRED, GATE.life_nights)


def test_a_person_may_end_it_and_begin_another_and_its_alpha_stays_spent() -> None:
    ended = night(2, night(1).challengers, GOOD, canary=None)
    assert ended.judged is not None
    assert (ended.judged.outcome, ended.judged.why, ended.is_running) == (ENDED, "a person ended it", False)
    another = night(2, night(1).challengers, GOOD, canary=replace(CANARY, begun="2026-03-04T08:00:00.000+00:00"))
    assert [one.outcome for one in another.challengers] == [ENDED, KEEP]
    assert another.is_running
    assert alpha_left(another.challengers, day(2), GATE) == pytest.approx(0.03)
    nothing = night(3, (), canary=None)
    assert (nothing.challengers, nothing.judged, nothing.is_running) == ((), None, False)


def test_without_alpha_it_is_reported_and_never_promoted() -> None:
    spent = tuple(
        Challenger(replace(TRIED, files={"bandit.vw": str(n)}), day(-n), day(-n), "x", 0.01, ended=day(0))
        for n in range(1, 6)
    )
    review = night(1, spent)
    assert review.judged is not None
    assert review.judged.alpha == 0.0
    assert "without alpha" in review.judged.why
    for number in range(2, 16):
        review = night(number, review.challengers, GOOD)
        assert review.judged is not None
        assert review.verdict is None
        assert review.judged.outcome == (KEEP if number < 15 else EXPIRED)


def test_while_it_runs_no_challenger_begins_or_is_asked() -> None:
    candidate = Candidate(FrozenBandit("search", {"bandit.vw": "c"}, None, ExplorationSettings()), day(0))
    trials = night(1).challengers
    review = review_challenger(trials, day(2), UNIFORM, NOTHING, candidate, GATE, WAITS)
    assert review.challengers == trials
    assert review.next_why == f"no challenger begins: {WAITS}"
    # A current challenger waits: its night has no look and spends no alpha.
    tested = review_challenger((), day(1), UNIFORM, NOTHING, candidate, GATE).challengers
    both = night(1, tested).challengers
    review = review_challenger(both, day(2), UNIFORM, replace(GOOD, objections=(WAITS,)), candidate, GATE, WAITS)
    waiting = current_trial(review.challengers)
    assert waiting is not None
    assert (waiting.canary, waiting.outcome, waiting.looks) == ("", KEEP, ())
    assert WAITS in waiting.why
    assert night(2, review.challengers, GOOD).challengers[0] == waiting


@pytest.mark.spark
def test_it_is_a_row_of_the_book(spark) -> None:
    review = night(2, night(1).challengers, SO_SO)
    assert read_challengers(challenger_rows(spark, day(2), review.challengers), day(2)) == list(review.challengers)
