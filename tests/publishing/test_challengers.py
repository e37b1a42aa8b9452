"""The challenger's life: begin, keep, each end, and the budget of alpha."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import nan

import pytest
from pyspark.sql import functions as F

from ltrr.artifacts.learned_values import LearnedValues
from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import UNDEFINED, Estimate
from ltrr.estimation.sequential import EXPIRED, FUTILE, HARMED, KEEP, PROMOTE, SliceLook
from ltrr.publishing.challenger_rows import challenger_rows, read_challengers, read_trials
from ltrr.publishing.challengers import Candidate, ChallengerReview, review_challenger
from ltrr.publishing.gate import Judgement
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import BANDIT_TRIAL, RANKER_TRIAL, REPLACED, FrozenBandit, current_trial

GATE = GateSettings()
FIRST = date(2026, 3, 2)
UNIFORM = FrozenBandit("search", {}, None, ExplorationSettings(floor_share=1.0))
NOTHING = Judgement(UNDEFINED, nan, nan, nan, 0, 0, 0)
BAD, SO_SO, GOOD = (Judgement(Estimate(gain, 0.01), 0.6, 900.0, 900.0, 9_000, 900, 1) for gain in (-0.3, 0.022, 0.2))


def bandit(name: str) -> FrozenBandit:
    return FrozenBandit("search", {"bandit.vw": name}, LearnedValues(2, 3.0), ExplorationSettings())


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def night(
    number: int, trials=(), judgement: Judgement = NOTHING, champion: FrozenBandit = UNIFORM, **more
) -> ChallengerReview:
    """Night `number`, with a candidate of its own; `gate=` and `candidate=` change that."""
    candidate = more.pop("candidate", Candidate(bandit(f"b{number}"), day(number - 1), f"run{number}"))
    return review_challenger(trials, day(number), champion, judgement, candidate, more.pop("gate", GATE))


def begun(number: int = 1) -> ChallengerReview:
    return night(number)


def test_the_first_candidate_begins_with_its_share_and_is_not_judged_on_its_first_night() -> None:
    review = begun()
    [one] = review.challengers
    assert (one.begun, one.data_end, one.alpha, one.night, one.outcome) == (day(1), day(0), 0.01, 0, KEEP)
    assert (review.judged, review.verdict, review.alpha_left) == (None, None, 0.04)
    assert "begins with alpha 0.01" in review.why
    assert one.trial.startswith("2026-03-03-")


def test_a_new_challenger_comes_with_the_length_of_its_trial() -> None:
    assert "this log does not yet show how many nights a verdict needs" in begun().why
    # 9,000 impressions of 30 % of the users in one night: all users will have 30,000.
    reported = Candidate(bandit("b1"), day(0), report=SO_SO, share=0.3)
    why = night(1, candidate=reported).why
    assert "at this traffic of 30,000 impressions a night a true +2%" in why
    # The night has no evidence against its new champion yet.
    after = night(2, begun().challengers, GOOD, candidate=replace(reported, bandit=bandit("b2")))
    assert "this log does not yet show" in after.next_why


@pytest.mark.parametrize(
    ("candidate", "words"),
    [(None, "no new candidate"), (Candidate(UNIFORM, day(0)), "is the champion, byte for byte")],
)
def test_no_trial_begins_without_a_new_candidate(candidate, words) -> None:
    review = night(1, candidate=candidate)
    assert review.challengers == ()
    assert words in review.why


def test_a_challenger_is_kept_frozen_whatever_is_trained_meanwhile() -> None:
    review = begun()
    for number in (2, 3, 4):
        difference = Estimate(0.01, 0.02 / number)
        review = night(number, review.challengers, replace(SO_SO, difference=difference))
        [one] = review.challengers
        assert (one.bandit, one.night, one.outcome) == (bandit("b1"), number - 1, KEEP)
        assert one.looks[-1].difference == difference
    assert [look.night for look in one.looks] == [1, 2, 3]
    assert f"night 3 of {GATE.life_nights}" in review.why
    assert "of the budget of 0.05 over 60 nights 0.04 is left" in review.why


def test_a_night_without_a_look_keeps_it_and_remembers_nothing() -> None:
    review = night(2, begun().challengers, replace(GOOD, objections=("replay was unequal",)))
    [one] = review.challengers
    assert (one.outcome, one.night, one.looks) == (KEEP, 1, ())
    assert "no look: replay was unequal" in one.why


def test_a_promotion_gives_its_alpha_back_and_the_next_is_judged_against_it() -> None:
    review = night(2, begun().challengers, GOOD)
    promoted, following = review.challengers
    assert (promoted.outcome, promoted.ended) == (PROMOTE, day(2))
    assert review.judged == promoted
    assert (following.begun, following.against) == (day(2), promoted.bandit.digest)
    assert review.alpha_left == pytest.approx(0.04)
    # The next night no longer needs its trial.
    review = night(3, review.challengers, SO_SO, champion=promoted.bandit)
    assert [one.begun for one in review.challengers] == [day(2)]
    # A candidate with the same bytes as the champion begins no trial.
    again = night(2, begun().challengers, GOOD, candidate=Candidate(bandit("b1"), day(1)))
    assert current_trial(again.challengers) is None


def test_futile_and_harmed_end_it_and_its_alpha_stays_spent_for_sixty_nights() -> None:
    slices = {"long": SliceLook(Estimate(-0.1, 0.005), 0.6)}
    for judgement, outcome in ((BAD, FUTILE), (replace(GOOD, slices=slices), HARMED)):
        review = night(2, begun().challengers, judgement)
        ended, following = review.challengers
        assert (ended.outcome, ended.ended, following.night) == (outcome, day(2), 0)
        assert review.verdict.is_refused
        assert review.alpha_left == pytest.approx(0.03)
    no_more = night(61, (ended,), candidate=None)
    assert [one.outcome for one in no_more.challengers] == [HARMED]
    assert night(62, (ended,), candidate=None).challengers == ()


def test_it_expires_after_its_nights_and_gives_way() -> None:
    review = begun()
    for number in range(2, 16):
        review = night(number, review.challengers, SO_SO if number < 15 else NOTHING)
    assert [one.outcome for one in review.challengers] == [EXPIRED, KEEP]
    assert review.judged.night == GATE.life_nights


def test_a_champion_that_changed_otherwise_replaces_it() -> None:
    by_hand = bandit("of last year")
    review = night(2, begun().challengers, GOOD, champion=by_hand)
    ended, following = review.challengers
    assert (ended.outcome, ended.ended, review.verdict) == (REPLACED, day(2), None)
    assert "the champion's bandit has changed" in review.why
    assert following.against == by_hand.digest
    assert review.alpha_left == pytest.approx(0.03)
    # So does the same bandit with other exploration, and the uniform policy of another name.
    for other in (replace(UNIFORM, exploration=ExplorationSettings(floor_share=0.9)), replace(UNIFORM, policy="new")):
        assert night(2, begun().challengers, GOOD, champion=other).judged.outcome == REPLACED


def test_with_no_alpha_left_none_begins_and_that_is_said() -> None:
    review = begun()
    for number in range(2, 7):
        review = night(number, review.challengers, BAD)
    assert [one.outcome for one in review.challengers] == [FUTILE] * 5
    assert (current_trial(review.challengers), review.alpha_left) == (None, 0.0)
    free = day(2) + timedelta(days=60)
    assert f"the budget has no alpha for a new challenger before {free}" in review.why
    assert current_trial(night(61, review.challengers).challengers) is None
    assert current_trial(night(62, review.challengers).challengers).begun == free


def test_a_night_that_is_run_again_writes_the_same_page() -> None:
    trials = night(2, begun().challengers, BAD).challengers
    assert night(3, trials, SO_SO) == night(3, trials, SO_SO)


@pytest.mark.spark
def test_the_book_comes_back_from_its_table_as_it_was_written(spark) -> None:
    slices = {"long": SliceLook(Estimate(-0.01, 0.02), 0.6)}
    review = night(2, begun().challengers, replace(GOOD, slices=slices))
    pages = [*night(2, begun().challengers, BAD).challengers, review.challengers[0]]
    for written in (review.challengers, pages[:2]):
        rows = challenger_rows(spark, day(2), written)
        assert read_challengers(rows, day(2)) == sorted(written, key=lambda one: one.trial)
        assert read_challengers(rows, day(3)) == []
    # The trials of a policy come from its own newest date, even if another policy served since.
    other = replace(
        begun().challengers[0], bandit=replace(bandit("b1"), policy="search-2"), kind=RANKER_TRIAL, waited=3
    )
    rows = challenger_rows(spark, day(2), pages[:2]).unionByName(challenger_rows(spark, day(5), [other]))
    assert read_trials(rows, "search", day(6), GATE) == sorted(pages[:2], key=lambda one: one.trial)
    assert read_trials(rows, "search-2", day(6), GATE) == [other]
    assert read_trials(rows, "search-2", day(4), GATE) == read_trials(rows, "search", day(63), GATE) == []
    # Rows that are older than the kind of a trial and the clock that stops.
    older = rows.withColumns({name: F.lit(None).cast(kind) for name, kind in (("kind", "string"), ("waited", "int"))})
    assert read_trials(older, "search-2", day(6), GATE) == [replace(other, kind=BANDIT_TRIAL, waited=0)]
