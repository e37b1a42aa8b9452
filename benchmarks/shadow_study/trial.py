"""One log: the prediction, the truth, and the canary that the ramp proposes, night by night."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import numpy as np

from benchmarks.shadow_study.world_log import (
    StaticLog,
    click_chances,
    decisions_of,
    draw_users,
    known_queries,
    plan_shares,
    values_of,
)
from ltrr.arrays import Floats, Longs
from ltrr.artifacts.learned_values import LearnedValues
from ltrr.bandit.value_learning import fit_values
from ltrr.bandit.values import ValueSettings
from ltrr.core.entity_groups import CANDIDATE_GROUPS
from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import Estimate, estimate_ratio
from ltrr.estimation.moments import ClusteredSums
from ltrr.estimation.sequential import KEEP, Look, judge_looks
from ltrr.publishing.settings import GateSettings
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.values import PlanValuer
from ltrr.shadow.ramp import propose_canary
from ltrr.shadow.settings import ShadowSettings
from ltrr.shadow.terms import ShadowScorer, canary_exploration, term_names

GATE = GateSettings()
SETTINGS = ShadowSettings()
NIGHTS = 14
UNSEEN = 4_000
"""Number of queries never searched that the true gain is computed for, at most."""


def run_trial(log: StaticLog, searches: int) -> dict[str, Any]:
    """Figures of one log.

    Args:
        log: Static log.
        searches: Number of its searches, served over `NIGHTS` nights.
    """
    valuer = _learn(log)
    if valuer is None:
        return {"seed": log.seed, "learned": False}
    rng = np.random.default_rng([log.seed, 2])
    sums = _sum_log(log, valuer, rng)
    ramp, gain = propose_canary(sums, NIGHTS, GATE.life_nights, GATE, SETTINGS, 0.95)
    floor = ramp.used_floor
    canary = canary_exploration(ExplorationSettings(), floor)
    seen, unseen = (np.flatnonzero(weights > 0.0) for weights in (log.world.traffic, log.world.unseen))
    shares = _served_shares(log, valuer, canary, seen)
    new = np.sort(rng.choice(unseen, min(UNSEEN, len(unseen)), replace=False))
    truth = {
        "traffic": _true_gain(log, seen, log.world.traffic[seen], shares, canary, rng),
        "unseen": _true_gain(log, new, log.world.unseen[new], _served_shares(log, valuer, canary, new), canary, rng),
    }
    share = SETTINGS.largest_share if ramp.share is None else ramp.share
    verdict, night = _run_canary(log, shares, share, searches // NIGHTS, rng)
    announced = ramp.nights_needed
    return {
        "seed": log.seed,
        "learned": True,
        "predicted": gain.gain,
        "low": gain.low,
        "high": gain.high,
        "breaks_at": gain.breaks_at if isfinite(gain.breaks_at) else None,
        "true_gain": truth["traffic"],
        "true_gain_unseen": truth["unseen"],
        "is_covered": bool(gain.low <= truth["traffic"] <= gain.high),
        "same_plan": gain.same_plan,
        "floor": floor,
        "share": ramp.share,
        "effect_announced": ramp.effect,
        "nights_announced": announced if announced < inf else None,
        "verdict": verdict,
        "verdict_night": night,
    }


def _learn(log: StaticLog) -> PlanValuer | None:
    settings = ValueSettings()
    files = fit_values(known_queries(log), "first_look", settings)
    learned = LearnedValues(settings.folds, settings.strength, tuple(CANDIDATE_GROUPS))
    return PlanValuer(log.space, learned, files) if files else None


def _sum_log(log: StaticLog, valuer: PlanValuer, rng: np.random.Generator) -> ClusteredSums:
    """Sums of the second half by user, with looks as logged: the memory of the first half."""
    queries = log.second.queries
    decisions = decisions_of(log, log.library(log.first), log.first, queries)
    numbers = np.array(sorted(decisions))
    chooser = PlanChooser(log.space, ExplorationSettings(), None, valuer=valuer)
    scorer = ShadowScorer.of(chooser, ExplorationSettings(), SETTINGS)
    ordered = [decisions[query] for query in numbers.tolist()]
    terms = scorer.terms(ordered, log.fetched[numbers].astype(np.float64))
    place = np.searchsorted(numbers, queries)
    plans = np.full(len(queries), log.static)
    rewards = _draw_rewards(click_chances(log, log.first, queries, plans, rng), rng)
    of_search = {name: values[place] for name, values in terms.items()}
    static = of_search["static"]
    of_search |= {"reward": rewards, "reward_squared": rewards**2, "reward_static": rewards * static}
    users = [str(user) for user in draw_users(log.world, len(queries), rng).tolist()]
    return ClusteredSums.of({name: of_search[name].tolist() for name in term_names(len(SETTINGS.floors))}, users)


def _draw_rewards(chances: Floats, rng: np.random.Generator) -> Floats:
    return (rng.random(chances.shape) < chances).sum(axis=1).astype(np.float64)


def _true_gain(
    log: StaticLog,
    queries: Longs,
    weights: Floats,
    shares: Floats,
    canary: ExplorationSettings,
    rng: np.random.Generator,
) -> float:
    """Expected gain of the canary over the static page on some queries, with P(plan) `shares`."""
    rewards = np.zeros(len(queries))
    floor = canary.floor_share / len(log.space) + 1e-9
    for plan in np.flatnonzero(shares.max(axis=0) > floor).tolist():
        [chosen] = np.nonzero(shares[:, plan] > floor)
        rewards[chosen] += shares[chosen, plan] * _expected(log, queries[chosen], plan, rng)
    rest = 1.0 - np.where(shares > floor, shares, 0.0).sum(axis=1)
    # The plans of the floor alone: their mean over a sample of plans.
    sample = rng.choice(len(log.space), size=8, replace=False).tolist()
    rewards += rest * np.mean([_expected(log, queries, plan, rng) for plan in sample], axis=0)
    return float(weights @ rewards) / float(weights @ _expected(log, queries, log.static, rng)) - 1.0


def _expected(log: StaticLog, queries: Longs, plan: int, rng: np.random.Generator) -> Floats:
    return click_chances(log, log.second, queries, np.full(len(queries), plan), rng).sum(axis=1)


def _served_shares(log: StaticLog, valuer: PlanValuer, canary: ExplorationSettings, queries: Longs) -> Floats:
    """P(plan) of the canary with the memory of the whole log, [N, P]."""
    decisions = decisions_of(log, log.library(log.second), log.whole, queries)
    values = values_of(valuer, decisions)
    return plan_shares(np.array([values[query] for query in queries.tolist()]), canary)


def _run_canary(
    log: StaticLog, shares: Floats, share: float, searches: int, rng: np.random.Generator
) -> tuple[str, int]:
    """Outcome of the gate and its night, for a canary of this share with P(plan) `shares`."""
    seen = np.flatnonzero(log.world.traffic > 0.0)
    in_canary = rng.random(log.world.users.users) < share
    terms: dict[str, list[Floats]] = {"a": [], "na": [], "b": [], "nb": []}
    users: list[Longs] = []
    looks: list[Look] = []
    for night in range(1, GATE.life_nights + 1):
        queries = rng.choice(len(log.world.queries), searches, p=log.world.traffic)
        who = draw_users(log.world, searches, rng)
        mine = in_canary[who]
        cumulated = shares[np.searchsorted(seen, queries)].cumsum(axis=1)
        drawn = np.minimum((cumulated < rng.random(searches)[:, None]).sum(axis=1), len(log.space) - 1)
        rewards = _draw_rewards(click_chances(log, log.second, queries, np.where(mine, drawn, log.static), rng), rng)
        for name, value in {"a": rewards * mine, "na": mine, "b": rewards * ~mine, "nb": ~mine}.items():
            terms[name].append(value.astype(np.float64))
        users.append(who)
        names = [str(user) for user in np.concatenate(users).tolist()]
        sums = ClusteredSums.of({name: np.concatenate(parts).tolist() for name, parts in terms.items()}, names)
        one, other = estimate_ratio(sums, "a", "na"), estimate_ratio(sums, "b", "nb")
        error = float(np.hypot(one.standard_error, other.standard_error))
        looks.append(Look(night, Estimate(one.value - other.value, error)))
        step = judge_looks(looks, GATE.share, other.value, {}, GATE)
        if step.outcome != KEEP:
            return step.outcome, night
    return KEEP, GATE.life_nights
