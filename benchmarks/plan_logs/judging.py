"""Every estimator on one log: models fitted by folds of queries, and the library's moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.plan_logs.log import Log
from benchmarks.plan_logs.pages import Pages
from benchmarks.plan_logs.policies import DrawPolicy, States
from ltrr.arrays import Floats, Longs
from ltrr.estimation.decisions import Decisions
from ltrr.estimation.draw_moments import DrawMoments
from ltrr.estimation.draw_orders import DrawWeights, step_lattice
from ltrr.estimation.draw_terms import Draws
from ltrr.estimation.estimators import DRAW_ESTIMATORS, ESTIMATORS
from ltrr.estimation.inclusion import inclusion_propensities, inclusion_rewards
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.placement import placement_propensities, placement_rewards
from ltrr.estimation.reward_regression import fit_rewards
from ltrr.estimation.reward_to_go import fit_reward_to_go
from ltrr.estimation.weights import importance_weights

REWARDS = ("page", "found")
SLOTS = ("iips", "pi")
"""Estimators that are invalid on draws: the reward of a draw depends on the draws before it."""
DRAW_NAMES = {
    "page": ("sequence_ips", "union_ips", "union", "union_dr", "union_sndr", "pdis", "placement", "placement_dr"),
    "found": tuple(name for name, one in DRAW_ESTIMATORS.items() if not one.page_only and name not in SLOTS),
}
"""Estimators of logs of draws, by kind of reward; pdis on page_reward is there to show its bias."""
CONTENTS_NAMES = {
    "page": ("placement", "placement_dr"),
    "found": ("inclusion", "inclusion_dr"),
}
PLAN_NAMES = ("ips", "snips", "dr", "sndr")
FOLDS = 3
CHECKED_IMPRESSIONS = 10
"""Number of impressions of each log on which placements are compared with the library."""
RIDGE = 1.0

_LARGEST_WEIGHT = 100.0
_QUERIES_AT_ONCE = 256

Estimates = dict[tuple[str, str], tuple[Estimate, float]]
"""(reward, estimator) -> estimate, evidence R."""


@dataclass(frozen=True, eq=False)
class Judge:
    """Inputs of the estimators that were known before the judged logs.

    Attributes:
        pages: Pages with the values learned from an earlier log. The judge reads `learned`,
            `places` and `shown`, and no truth.
        states: States of step policies.
        gains: Gains of `policies.block_gains`, [Q, X, S].
    """

    pages: Pages
    states: States
    gains: Floats

    @cached_property
    def expected(self) -> dict[str, Floats]:
        """Kind of reward -> expected reward of each page by the learned values, [Q, P]."""
        pages = self.pages
        return {"page": pages.page_rewards(pages.learned), "found": pages.found_rewards(pages.learned)}

    def plan_features(self, reward: str, queries: Longs, plans: Longs) -> Floats:
        """Features of q-hat, [N, F].

        These are ones, the expected reward of the page, its mean over all pages, and the blocks.
        """
        expected = self.expected[reward]
        own = expected[queries, plans]
        blocks = self.pages.space.draws[plans]
        return np.column_stack([np.ones(len(queries)), own, expected.mean(axis=1)[queries], blocks])

    def mean_features(self, reward: str, plan_propensities: Floats) -> Floats:
        """Mean of `plan_features` over a policy's plans for each query, [Q, F]."""
        expected = self.expected[reward]
        own = (plan_propensities * expected).sum(axis=1)
        blocks = plan_propensities @ self.pages.space.draws
        return np.column_stack([np.ones(len(own)), own, expected.mean(axis=1), blocks])

    def q_table(self, reward: str, coefficients: Floats) -> Floats:
        """q-hat of every plan of every query, [Q, P]."""
        expected = self.expected[reward]
        of_query = coefficients[0] + coefficients[2] * expected.mean(axis=1)
        return of_query[:, None] + coefficients[1] * expected + self.pages.space.draws @ coefficients[3:]

    def inclusion(self, plan_propensities: Floats) -> Floats:
        """P(candidate in the union) for each query, [Q, C]."""
        parts = [
            inclusion_propensities(plan_propensities[part], self.pages.places[part], self.pages.space.plans)
            for part in (
                slice(start, start + _QUERIES_AT_ONCE) for start in range(0, len(plan_propensities), _QUERIES_AT_ONCE)
            )
        ]
        return np.concatenate(parts)

    def placement(self, plan_propensities: Floats) -> Floats:
        """P(candidate at the position) for each query, [Q, C + 1, L], for all queries at once."""
        queries, _, places = self.pages.shown.shape
        width = self.pages.attraction.shape[1]
        first = np.arange(queries)[:, None] * width
        return np.stack(
            [
                np.bincount(
                    (first + self.pages.shown[:, :, place]).ravel(), plan_propensities.ravel(), queries * width
                ).reshape(queries, width)
                for place in range(places)
            ],
            axis=2,
        )


@dataclass(frozen=True, eq=False)
class PolicyPropensities:
    """A policy, logging or target, and its propensities for every query.

    Attributes:
        policy: Policy of the draws; None where plans are chosen in one step.
        plans: P(plan), [Q, P].
        inclusion: P(candidate in the union), [Q, C].
        placement: P(candidate at the position), [Q, C + 1, L]; the last candidate stands for an
            empty position.
        features: Kind of reward -> mean features of q-hat, [Q, F].
        expected: Expected page reward by the learned values, [Q].
    """

    policy: DrawPolicy | None
    plans: Floats
    inclusion: Floats
    placement: Floats
    features: dict[str, Floats]
    expected: Floats

    @staticmethod
    def of(judge: Judge, plans: Floats, policy: DrawPolicy | None = None) -> PolicyPropensities:
        """Propensities of a policy with the given P(plan), [Q, P]."""
        features = {kind: judge.mean_features(kind, plans) for kind in REWARDS}
        expected = (plans * judge.expected["page"]).sum(axis=1)
        return PolicyPropensities(policy, plans, judge.inclusion(plans), judge.placement(plans), features, expected)


def judge_draws(
    judge: Judge, log: Log, logging: PolicyPropensities, targets: Mapping[str, PolicyPropensities]
) -> dict[str, Estimates]:
    """Every estimate for every target, from a log of draws."""
    strategies, counts = len(judge.pages.space.strategies), np.full(len(log.queries), log.drawn.shape[1])
    steps = _lattice(logging, log, strategies)
    rewards = log.by_draw(judge.pages)
    q_hats = {kind: fit_plans(judge, log, kind, rewards[kind].sum(axis=1)) for kind in REWARDS}
    found: dict[str, Estimates] = {}
    for name, target in targets.items():
        weights = DrawWeights.of(steps, _lattice(target, log, strategies), counts)
        # Two computations of the same weights: from the draws of each impression, and from P(plan).
        by_plan = importance_weights(*(side.plans[log.queries, log.plans] for side in (logging, target)))
        assert np.allclose(weights.union, by_plan, rtol=1e-9, atol=0.0)
        contents = _content_rewards(judge, log, logging, target)
        found[name] = {}
        for kind in REWARDS:
            taken, direct = _predict_plans(judge, log, target, kind, q_hats[kind])
            to_go = _fit_steps(judge, log, target, rewards[kind]) if "cascade_dr" in DRAW_NAMES[kind] else {}
            moments = DrawMoments.of(Draws(weights, rewards[kind], taken, direct, **to_go, **contents))
            found[name] |= {(kind, one): (moments.estimate(one), moments.evidence(one)) for one in DRAW_NAMES[kind]}
    return found


def judge_plans(judge: Judge, log: Log, logging: PolicyPropensities, target: PolicyPropensities) -> Estimates:
    """Every estimate from a log whose plans were chosen in one step."""
    weights = importance_weights(logging.plans[log.queries, log.plans], target.plans[log.queries, log.plans])
    contents = _content_rewards(judge, log, logging, target)
    found: Estimates = {}
    for kind in REWARDS:
        rewards = log.rewards(kind).sum(axis=1)
        taken, direct = _predict_plans(judge, log, target, kind, fit_plans(judge, log, kind, rewards))
        moments = LoggedMoments.of(Decisions(weights, rewards, taken, direct), _LARGEST_WEIGHT)
        found |= {(kind, name): (moments.estimate(ESTIMATORS[name]), moments.evidence_of_users) for name in PLAN_NAMES}
        ones = DrawWeights(np.ones((len(rewards), 1)), np.ones(len(rewards)), weights)
        whole = DrawMoments.of(Draws(ones, rewards[:, None], taken, direct, **contents))
        found |= {(kind, name): (whole.estimate(name), whole.evidence(name)) for name in CONTENTS_NAMES[kind]}
    return found


def _lattice(side: PolicyPropensities, log: Log, strategies: int) -> Floats:
    assert side.policy is not None
    return step_lattice(side.policy.steps(log.queries), log.drawn, strategies)


def _folds(log: Log) -> Longs:
    """Fold of each impression by its query number, which is arbitrary."""
    return log.queries % FOLDS


def fit_plans(judge: Judge, log: Log, kind: str, rewards: Floats) -> Floats:
    """Coefficients of q-hat for each fold, fitted on the other folds, [FOLDS, F]."""
    z, folds = judge.plan_features(kind, log.queries, log.plans), _folds(log)
    return np.stack(
        [fit_rewards(z[folds != fold], rewards[folds != fold], RIDGE, is_logistic=False) for fold in range(FOLDS)]
    )


def _predict(z: Floats, coefficients: Floats, log: Log) -> Floats:
    return np.asarray((z * coefficients[_folds(log)]).sum(axis=1))


def _predict_plans(
    judge: Judge, log: Log, target: PolicyPropensities, kind: str, coefficients: Floats
) -> tuple[Floats, Floats]:
    taken = _predict(judge.plan_features(kind, log.queries, log.plans), coefficients, log)
    return taken, _predict(target.features[kind][log.queries], coefficients, log)


def _fit_steps(judge: Judge, log: Log, target: PolicyPropensities, rewards: Floats) -> dict[str, Floats]:
    """Fit the reward-to-go on the gain of the next block, the strategy, and the depth."""
    assert target.policy is not None
    n, draws = log.drawn.shape
    strategies = judge.gains.shape[2]
    rows, depths = np.arange(n), np.zeros((n, strategies), dtype=np.int64)
    propensities = target.policy.steps(log.queries)
    features, chances = [], []
    best = judge.expected["found"].max(axis=1)[log.queries]
    for draw in range(draws):
        gains = judge.gains[log.queries, judge.states.at(depths)]
        z = np.empty((n, strategies, 4 + strategies))
        z[:, :, 0] = 1.0
        z[:, :, 1] = gains
        z[:, :, 2] = depths
        z[:, :, 3] = best[:, None]
        z[:, :, 4:] = np.eye(strategies)
        features.append(z)
        chances.append(propensities(depths))
        depths[rows, log.drawn[:, draw]] += 1
    taken, values = fit_reward_to_go(
        features.__getitem__, np.stack(chances, axis=1), log.drawn, rewards, _folds(log), ridge=RIDGE
    )
    return {"step_taken": taken, "step_values": values}


def _content_rewards(
    judge: Judge, log: Log, logging: PolicyPropensities, target: PolicyPropensities
) -> dict[str, Floats]:
    """Weighted rewards of placements and of entities, from the contents of all blocks."""
    pages, queries = judge.pages, log.queries
    included = logging.inclusion[queries], target.inclusion[queries]
    by_place = pages.shown[queries, log.plans].astype(np.int64)
    positions = np.arange(by_place.shape[1])
    places = [side.placement[queries[:, None], by_place, positions] for side in (logging, target)]
    checked = slice(None, CHECKED_IMPRESSIONS)
    made = pages.shown[queries[checked]]
    assert np.allclose(
        places[1][checked], placement_propensities(target.plans[queries[checked]], made, by_place[checked])
    )
    clicks = np.take_along_axis(np.pad(log.clicks, ((0, 0), (0, 1))), by_place, axis=1)
    learned = pages.learned[queries]
    q_hat = np.take_along_axis(learned, by_place, axis=1) * pages.examination
    return {
        "included": inclusion_rewards(*included, log.shown, log.found),
        "included_dr": inclusion_rewards(*included, log.shown, log.found, learned[:, :-1]),
        "placed": placement_rewards(*places, clicks),
        "placed_dr": placement_rewards(*places, clicks, q_hat, target.expected[queries]),
    }
