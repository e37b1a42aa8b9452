"""Exploration: the exact probability of every plan, and the draw from it.

A policy turns the scores of a shortlist into shares, which add up to one, and mixes them with a
uniform floor over *all* plans:

    P(a) = (1 - floor_share) * share[a] * 1[a in shortlist]  +  floor_share / n_actions

Every plan then has a known positive probability, so a log can evaluate any other policy. The logged
probability is that of this mixture. It is computed before the draw and never changed afterwards.
There are three kinds of shares (docs/adr/0009-kinds-of-exploration.md gives the reasons), with K
plans in the shortlist:

    softmax   share[a] ~ exp(score[a] / temperature)
    squarecb  share[a] = 1 / (K + gamma * (best - score[a])), the rest to the best
    epsilon   share[a] = epsilon / K, the rest to the best

Foster & Rakhlin, "Beyond UCB: Optimal and Efficient Contextual Bandits with Regression Oracles",
ICML 2020 (squarecb, after Abe & Long, 1999).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.core.queries import QUERY_CLASSES
from ltrr.errors import check_ranges

KINDS = ("softmax", "squarecb", "epsilon")


@dataclass(frozen=True)
class ExplorationSettings:
    """Settings of exploration: how much a policy explores, and among which plans.

    Args:
        temperature: Temperature of softmax, in units of reward. A plan whose value is one
            temperature lower is drawn 1/e as often; 0 is greedy.
        floor_share: Share of the probability that is spread evenly over all plans, 0..1; 1 is the
            uniform policy.
        shortlist_size: Number of plans that are scored: those with the highest planner values.
        kind: Kind of exploration: softmax | squarecb | epsilon. Each uses one of temperature, gamma
            and epsilon.
        gamma: Parameter of squarecb, per unit of reward. A plan whose value is K / gamma below the
            best is drawn half as often as a plan of equal value.
        epsilon: Share of the probability that the kind epsilon spreads evenly over the shortlist,
            0..1.
        query_classes: Query class -> factor of its exploration. temperature, epsilon and
            floor_share are multiplied by the factor, gamma is divided by it; shares stay at most 1.
            Other classes have the factor 1.
        score_weight: Weight of the bandit's score, 0..1: exploration uses (1 - score_weight) x
            planner value + score_weight x score. 1 uses the bandit alone, 0 the planner alone.

    The defaults explore enough for the gate to decide. In the music world, on 6,000 held-out
    impressions of a uniform log, 8 plans at temperature .05 leave an effective sample size of 116
    and a gain of one standard error. 16 plans at .2 leave 464 and a gain of four standard errors,
    and cost .01 of recall as served (docs/studies/exploration.md).
    """

    temperature: float = 0.2
    floor_share: float = 0.1
    shortlist_size: int = 20
    kind: str = "softmax"
    gamma: float = 100.0
    epsilon: float = 0.1
    query_classes: Mapping[str, float] = field(default_factory=dict, hash=False)
    score_weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges.

        >>> ExplorationSettings(kind="squarecb", query_classes={"long": 0.0})
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: exploration.query_classes: expected of \
digits, one_word, two_words, three_words, long, each a number > 0, got {'long': 0.0}
        """
        classes = self.query_classes.items()
        rules = (
            ("temperature", isfinite(self.temperature) and self.temperature >= 0.0, ">= 0"),
            ("floor_share", 0.0 <= self.floor_share <= 1.0, "0..1"),
            ("shortlist_size", self.shortlist_size >= 1, ">= 1"),
            ("kind", self.kind in KINDS, "one of " + ", ".join(KINDS)),
            ("gamma", isfinite(self.gamma) and self.gamma >= 0.0, ">= 0"),
            ("epsilon", 0.0 <= self.epsilon <= 1.0, "0..1"),
            (
                "query_classes",
                all(name in QUERY_CLASSES and isfinite(factor) and factor > 0.0 for name, factor in classes),
                f"of {', '.join(QUERY_CLASSES)}, each a number > 0",
            ),
            ("score_weight", 0.0 <= self.score_weight <= 1.0, "0..1"),
        )
        check_ranges("exploration", self, rules)

    def to_json(self) -> dict[str, Any]:
        """The settings as a manifest contains them.

        `score_weight` is left out if it has its default, and so are all settings after the first
        three if all of them have theirs. A version is a hash over these values, so policies that
        were published before the settings existed keep their versions.

        >>> ExplorationSettings().to_json()
        {'temperature': 0.2, 'floor_share': 0.1, 'shortlist_size': 20}
        >>> len(ExplorationSettings(kind="epsilon").to_json())
        7
        >>> ExplorationSettings(score_weight=0.5).to_json()
        {'temperature': 0.2, 'floor_share': 0.1, 'shortlist_size': 20, 'score_weight': 0.5}
        """
        described = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        described["query_classes"] = dict(self.query_classes)
        weight = described.pop("score_weight")
        weighed = {} if weight == 1.0 else {"score_weight": weight}
        first = {name: described[name] for name in _FIRST} | weighed
        return first if self == ExplorationSettings(**first) else described | weighed

    def of_class(self, query_class: str) -> ExplorationSettings:
        """Settings for searches of one class.

        >>> settings = ExplorationSettings(0.2, 0.6, query_classes={"digits": 0.5, "long": 2.0})
        >>> classes = [settings.of_class(name) for name in ("digits", "one_word", "long")]
        >>> [(one.temperature, one.floor_share, one.gamma) for one in classes]
        [(0.1, 0.3, 200.0), (0.2, 0.6, 100.0), (0.4, 1.0, 50.0)]
        """
        if not self.query_classes:
            return self
        factor = self.query_classes.get(query_class, 1.0)
        return replace(
            self,
            temperature=self.temperature * factor,
            gamma=self.gamma / factor,
            epsilon=min(self.epsilon * factor, 1.0),
            floor_share=min(self.floor_share * factor, 1.0),
            query_classes={},
        )


_FIRST = ("temperature", "floor_share", "shortlist_size")


@dataclass(frozen=True, eq=False)
class Distribution:
    """P(plan) of one decision.

    Args:
        shortlist: Indices of plans, each once, [K].
        probabilities: Probability of each of them, after mixing, [K].
        floor: Probability of every other plan.
        n_actions: Number of plans, P.

    >>> spread = Distribution(np.array([3, 1]), np.array([0.6, 0.2]), floor=0.1, n_actions=4)
    >>> spread.p(3), spread.p(0), spread.dense().tolist()
    (0.6, 0.1, [0.1, 0.2, 0.1, 0.6])
    """

    shortlist: Longs
    probabilities: Floats
    floor: float
    n_actions: int
    _place: dict[int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place = {index: position for position, index in enumerate(self.shortlist.tolist())}
        object.__setattr__(self, "_place", place)

    def p(self, index: int) -> float:
        """The probability of one plan."""
        position = self._place.get(index)
        return self.floor if position is None else float(self.probabilities[position])

    def dense(self) -> Floats:
        """The probability of every plan, [P]; adds up to one."""
        dense = np.full(self.n_actions, self.floor)
        dense[self.shortlist] = self.probabilities
        return dense

    def sample(self, u: float) -> int:
        """The plan at `u` of the cumulative distribution: shortlist first, then the rest in order.

        Args:
            u: Number in [0, 1), such as `core.hashing.unit_interval(impression_id, "plan")`.
        """
        below = 0.0
        for index, probability in zip(self.shortlist.tolist(), self.probabilities.tolist(), strict=True):
            below += probability
            if u < below:
                return int(index)
        others = self.n_actions - len(self._place)
        if self.floor <= 0.0 or others == 0:
            # Rounding leaves the sum of probabilities up to 1e-16 below 1, and u is above it.
            return int(self.shortlist[int(np.argmax(self.probabilities))])
        wanted = min(int((u - below) / self.floor), others - 1)
        for listed in sorted(self._place):
            wanted += listed <= wanted
        return wanted

    def best(self) -> int:
        """The most probable plan; among equals, the first of the shortlist."""
        return int(self.shortlist[int(np.argmax(self.probabilities))])


def explore(
    scores: Sequence[float] | Floats,
    exploration: ExplorationSettings,
    *,
    shortlist: Longs,
    n_actions: int,
) -> Distribution:
    """P(plan) over `n_actions` plans.

    Among plans of equal score, the first is the best.

    Args:
        scores: Expected reward of each plan of the shortlist, [K].
        exploration: Settings; for a query class, those of `of_class`.
        shortlist: Indices of the scored plans, [K].
        n_actions: Number of plans, P.

    >>> shortlist, scores = np.array([7, 2, 5]), [0.5, 0.5, 0.0]
    >>> mixed = explore(scores, ExplorationSettings(0.1, 0.2), shortlist=shortlist, n_actions=10)
    >>> mixed.probabilities.round(3).tolist(), mixed.floor, round(float(mixed.dense().sum()), 12)
    ([0.419, 0.419, 0.023], 0.02, 1.0)

    SquareCB with gamma 10 and no floor: the second plan has the same score as the best and gets
    1/3, the third gets 1/8.

    >>> square = ExplorationSettings(floor_share=0.0, kind="squarecb", gamma=10.0)
    >>> explore(scores, square, shortlist=shortlist, n_actions=10).probabilities.round(3).tolist()
    [0.542, 0.333, 0.125]
    """
    rewards = np.asarray(scores, dtype=np.float64)
    floor = exploration.floor_share / n_actions
    probabilities = (1.0 - exploration.floor_share) * _shares(rewards, exploration) + floor
    return Distribution(np.asarray(shortlist, dtype=np.int64), probabilities, floor, n_actions)


def _shares(rewards: Floats, exploration: ExplorationSettings) -> Floats:
    """Share of each plan of a shortlist in the probability above the floor, [K]; adds up to 1."""
    best = int(np.argmax(rewards))
    gaps = rewards[best] - rewards
    if exploration.kind == "softmax" and exploration.temperature > 0.0:
        weights = np.exp(-gaps / exploration.temperature)
        return np.asarray(weights / weights.sum())
    if exploration.kind == "squarecb":
        shares = 1.0 / (len(rewards) + exploration.gamma * gaps)
    else:
        epsilon = exploration.epsilon if exploration.kind == "epsilon" else 0.0
        shares = np.full(len(rewards), epsilon / len(rewards))
    shares[best] = 1.0 - np.delete(shares, best).sum()
    return np.asarray(shares)


def shortlist_of(values: Floats, size: int) -> Longs:
    """The `size` best plans by planner value, best first; plans of equal value in plan order.

    >>> shortlist_of(np.array([0.1, 0.9, 0.3, 0.9]), 3).tolist()
    [1, 3, 2]
    """
    return np.argsort(-values, kind="stable")[:size]
