"""Reruns never return alpha and never change a past trial."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import nan
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import UNDEFINED, Estimate
from ltrr.estimation.sequential import FUTILE, KEEP, PROMOTE
from ltrr.pipelines import challenger_review
from ltrr.pipelines.challenger_review import EarlierAttempt, keep_final_review
from ltrr.publishing.canary_trial import WAITS
from ltrr.publishing.challengers import Candidate, ChallengerReview, review_challenger
from ltrr.publishing.gate import Judgement
from ltrr.publishing.moves import Move
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import (
    RANKER_TRIAL,
    REPLACED,
    WITHDRAWN,
    Challenger,
    FrozenBandit,
    alpha_left,
    current_trial,
    draw_alpha,
    only_known,
    with_trial,
    with_withdrawn,
)

GATE = GateSettings()
FIRST = date(2026, 3, 2)
UNIFORM = FrozenBandit("search", {}, None, ExplorationSettings(floor_share=1.0))
NOTHING = Judgement(UNDEFINED, nan, nan, nan, 0, 0, 0)
BAD, SO_SO, GOOD = (Judgement(Estimate(gain, 0.01), 0.6, 900.0, 900.0, 9_000, 900, 1) for gain in (-0.3, 0.022, 0.2))
OVERRULED = "others have moved the pointer since this night first began"


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def candidate(name: str, number: int) -> Candidate:
    return Candidate(FrozenBandit("search", {"bandit.vw": name}, None, ExplorationSettings()), day(number - 1))


def attempt(number: int, name: str, trials=(), judgement: Judgement = NOTHING, earlier=(), **more) -> ChallengerReview:
    """One attempt of a night, after an earlier attempt of the same night."""
    known = with_withdrawn(trials, earlier, day(number))
    return review_challenger(known, day(number), UNIFORM, judgement, candidate(name, number), GATE, **more)


def test_a_rerun_with_other_settings_starts_no_new_life_for_free() -> None:
    review = attempt(1, "settings 1")
    for number in range(2, 6):
        review = attempt(1, f"settings {number}", earlier=review.challengers)
        assert review.alpha_left == pytest.approx(0.05 - 0.01 * number)
        assert [one.outcome for one in review.challengers] == [WITHDRAWN] * (number - 1) + [KEEP]
    review = attempt(1, "settings 6", earlier=review.challengers)
    assert (current_trial(review.challengers), review.alpha_left) == (None, 0.0)
    assert f"no alpha for a new challenger before {day(61)}" in review.why
    # The next night includes all of them.
    assert alpha_left(attempt(2, "next", review.challengers).challengers, day(2), GATE) == 0.0


def test_a_rerun_that_begins_the_same_trial_changes_nothing() -> None:
    review = attempt(1, "one")
    assert attempt(1, "one", earlier=review.challengers) == review
    # A second attempt withdraws the trial and a third begins it again: each has its alpha once.
    second = attempt(1, "two", earlier=review.challengers)
    third = attempt(1, "one", earlier=second.challengers)
    assert {one.outcome: one.bandit.files["bandit.vw"] for one in third.challengers} == {KEEP: "one", WITHDRAWN: "two"}
    assert len(third.challengers) == 2
    assert third.alpha_left == pytest.approx(0.03)


def test_a_promotion_that_a_rerun_does_not_find_costs_what_had_begun_with_its_alpha() -> None:
    trials = attempt(1, "one").challengers
    first = attempt(2, "two", trials, GOOD)
    assert [one.outcome for one in first.challengers] == [PROMOTE, KEEP]
    again = attempt(2, "two", trials, SO_SO, first.challengers)
    assert {one.bandit.files["bandit.vw"]: one.outcome for one in again.challengers} == {"one": KEEP, "two": WITHDRAWN}
    assert again.alpha_left <= first.alpha_left


def test_once_acted_on_the_page_stays_and_what_a_rerun_finds_is_said() -> None:
    trials = attempt(1, "one").challengers
    committed = attempt(2, "two", trials, SO_SO)
    earlier = EarlierAttempt(committed.challengers, is_final=True)
    mended = attempt(2, "other", trials, GOOD, committed.challengers)
    assert mended.judged is not None
    assert mended.judged.outcome == PROMOTE
    kept = keep_final_review(mended, earlier, day(2), GATE)
    assert kept.challengers == committed.challengers
    assert (kept.judged, kept.alpha_left) == (committed.judged, committed.alpha_left)
    assert "keep stays, this attempt finds promote" in kept.why
    # The rerun counts as long as no later decision builds on it.
    assert keep_final_review(mended, replace(earlier, is_final=False), day(2), GATE) == mended


@pytest.mark.parametrize(
    ("is_committed", "is_followed", "is_moved", "is_final"),
    [
        (False, False, False, False),
        (False, False, True, False),
        (True, False, False, False),
        (True, True, False, True),
        (True, False, True, True),
    ],
)
def test_a_page_is_final_once_it_is_committed_and_acted_on(
    monkeypatch, is_committed, is_followed, is_moved, is_final
) -> None:
    own = attempt(2, "two").challengers[0]
    foreign = replace(own, bandit=replace(own.bandit, policy="search-2"))
    monkeypatch.setattr(challenger_review, "read_challengers", lambda *_: [own, foreign] if is_committed else [])
    night = SimpleNamespace(
        date=day(2),
        job="publish_policy",
        settings=SimpleNamespace(policy=SimpleNamespace(name="search")),
        read_own_committed=lambda name: name,
        is_committed=lambda: is_committed,
        is_followed=lambda: is_followed,
    )
    moves = [Move(1, "u", None), Move(2, "a", day(2)), *([Move(3, "u", None)] if is_moved else [])]
    earlier = EarlierAttempt.of(night, moves)
    assert earlier.is_final == is_final
    assert bool(earlier.overruled) == is_moved
    # Trials of another policy of the home stay in the rows of the date.
    assert (list(earlier.trials), list(earlier.others)) == (([own], [foreign]) if is_committed else ([], []))


def test_a_promotion_that_is_not_carried_out_is_none() -> None:
    review = attempt(2, "two", attempt(1, "one").challengers, GOOD, overruled=OVERRULED)
    [ended] = review.challengers
    assert (ended.outcome, ended.ended) == (REPLACED, day(2))
    assert f"the gate would promote it, but {OVERRULED}" in ended.why
    assert (review.alpha_left, review.next_why) == (0.04, f"no challenger begins: {OVERRULED}")
    assert attempt(2, "two", attempt(1, "one").challengers, BAD, overruled=OVERRULED).challengers[0].outcome == FUTILE


def test_a_challenger_does_not_age_while_a_canary_runs() -> None:
    """A canary of twenty nights does not shorten a trial of fourteen nights."""
    review, number, asked = attempt(1, "one"), 1, []
    while (one := current_trial(review.challengers)) is not None and one.bandit.files["bandit.vw"] == "one":
        number += 1
        waits = WAITS if 5 <= number < 25 else ""
        review = attempt(number, "next", review.challengers, SO_SO, waits=waits)
        if waits:
            assert review.verdict is None
            assert WAITS in review.why
        else:
            asked.append(review.judged.night)
        assert review.alpha_left <= 0.04 + 1e-12
    assert asked == list(range(1, GATE.life_nights + 1))
    assert number == 1 + GATE.life_nights + 20


STEPS = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from([BAD, SO_SO, GOOD]), st.booleans())


@settings(max_examples=50)
@given(st.lists(STEPS, max_size=30))
def test_without_a_promotion_alpha_never_comes_back(steps) -> None:
    """Held alpha shrinks only by a promotion or after 60 nights, in any order of nights."""
    before, review, number = (), attempt(1, "a"), 1
    for name, judgement, is_rerun in steps:
        held = GATE.alpha - review.alpha_left
        earlier = review.challengers if is_rerun else ()
        if not is_rerun:
            before, number = review.challengers, number + 1
        previous, review = review, attempt(number, name, before, judgement, earlier)
        returned = sum(one.alpha for one in review.challengers if one.outcome == PROMOTE)
        assert GATE.alpha - review.alpha_left >= held - returned - 1e-12
        if is_rerun:
            assert {one.trial for one in previous.challengers} <= {one.trial for one in review.challengers}
        assert len({one.trial for one in review.challengers}) == len(review.challengers)


def test_a_ranker_draws_from_the_same_budget() -> None:
    trials = attempt(1, "one").challengers
    ranker = Challenger(FrozenBandit.of_ranker("search", "ab"), day(1), day(0), "", 0.0, kind=RANKER_TRIAL)
    for number in range(4):
        other = replace(ranker, bandit=FrozenBandit.of_ranker("search", f"{number}"))
        drawn = draw_alpha(trials, other, GATE)
        assert drawn.alpha == 0.01
        trials = with_trial(trials, replace(drawn, outcome=FUTILE, ended=day(1)))
    assert draw_alpha(trials, ranker, GATE).alpha == 0.0
    assert current_trial(trials) == current_trial(trials, "bandit") != current_trial(trials, RANKER_TRIAL)
    # The review of the bandit keeps the rankers' trials and has no alpha for the next challenger.
    review = attempt(2, "two", trials, BAD)
    assert [one.kind for one in review.challengers].count(RANKER_TRIAL) == 4
    assert "has no alpha for a new challenger" in review.why
    assert len(only_known(trials, day(61), GATE)) == 1
