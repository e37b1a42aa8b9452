"""The one place where chance enters a decision, and where its exact probability is known.

A policy turns the scores of a shortlist into shares, which add up to one, and mixes them with a
uniform floor over *all* plans:

    P(a) = (1 - floor_share) * share[a] * 1[a in shortlist]  +  floor_share / n_actions

so that every plan is logged with a known positive probability and any other policy can be judged on
the log. The probability that is logged is that of this mixture, computed before the draw and never
changed after it. Three kinds of shares, K plans in the shortlist
(docs/adr/0009-kinds-of-exploration.md says why these):

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

from ltrr.core.arrays import Floats, Longs
from ltrr.core.queries import QUERY_CLASSES
from ltrr.errors import check_ranges

KINDS = ("softmax", "squarecb", "epsilon")


@dataclass(frozen=True)
class ExplorationSettings:
    """How much, and among what, a policy explores.

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

    The defaults pay for verdicts. Measured in the music world on 6,000 held-out impressions of a
    uniform log: 8 plans at .05 leave an effective sample of 116 and a gain of one standard error;
    16 at .2 leave 464 and four of them, at a price of .01 of recall as served
    (docs/studies/exploration.md).
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
        """Refuse what cannot be drawn from.

        >>> ExplorationSettings(kind="squarecb", query_classes={"long": 0.0})
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: exploration.query_classes: expected of digits, one_word, \
two_words, three_words, long, each a number > 0, got {'long': 0.0}
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
        """As a manifest holds it.

        What came after the first three is left out where all of it has its default, and so is
        `score_weight`, which came last: a version is a hash over this, and policies that were
        published before keep theirs.

        >>> ExplorationSettings().to_json()
        {'temperature': 0.2, 'floor_share': 0.1, 'shortlist_size': 20}
        >>> sorted(ExplorationSettings(kind="epsilon").to_json())
        ['epsilon', 'floor_share', 'gamma', 'kind', 'query_classes', 'shortlist_size', 'temperature']
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
        """What holds for searches of one class.

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
        shortlist: plan indices, [K], each once.
        probabilities: the full (mixed) probability of each of them, [K].
        floor: the probability of every other plan.
        n_actions: P.

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
        """The plan that falls on `u`: inverse of the cumulative distribution, shortlist first, then the rest in order.

        Args:
            u: uniform in [0, 1), e.g. `core.hashing.unit_interval(impression_id, "plan")`.
        """
        below = 0.0
        for index, probability in zip(self.shortlist.tolist(), self.probabilities.tolist(), strict=True):
            below += probability
            if u < below:
                return int(index)
        others = self.n_actions - len(self._place)
        if self.floor <= 0.0 or others == 0:
            # Only the last bit of rounding leads here: u lies beyond a sum that is one but for
            # 1e-16.
            return int(self.shortlist[int(np.argmax(self.probabilities))])
        wanted = min(int((u - below) / self.floor), others - 1)
        for listed in sorted(self._place):
            wanted += listed <= wanted
        return wanted

    def best(self) -> int:
        """The most probable plan; the first in the shortlist among equals."""
        return int(self.shortlist[int(np.argmax(self.probabilities))])


def explore(
    scores: Sequence[float] | Floats,
    exploration: ExplorationSettings,
    *,
    shortlist: Longs,
    n_actions: int,
) -> Distribution:
    """P(plan) over `n_actions` plans.

    The best is the first among equals.

    Args:
        scores: expected reward of each shortlisted plan, higher is better, [K].
        exploration: kind and how much; for a query class, `of_class`.
        shortlist: the plans scored, [K].
        n_actions: P.

    >>> shortlist, scores = np.array([7, 2, 5]), [0.5, 0.5, 0.0]
    >>> mixed = explore(scores, ExplorationSettings(0.1, 0.2), shortlist=shortlist, n_actions=10)
    >>> mixed.probabilities.round(3).tolist(), mixed.floor, round(float(mixed.dense().sum()), 12)
    ([0.419, 0.419, 0.023], 0.02, 1.0)

    SquareCB with gamma 10 and no floor: 1/3 for the second, which is worth as much as the best, 1/8
    for the third.

    >>> square = ExplorationSettings(floor_share=0.0, kind="squarecb", gamma=10.0)
    >>> explore(scores, square, shortlist=shortlist, n_actions=10).probabilities.round(3).tolist()
    [0.542, 0.333, 0.125]
    """
    rewards = np.asarray(scores, dtype=np.float64)
    floor = exploration.floor_share / n_actions
    probabilities = (1.0 - exploration.floor_share) * _shares(rewards, exploration) + floor
    return Distribution(np.asarray(shortlist, dtype=np.int64), probabilities, floor, n_actions)


def _shares(rewards: Floats, exploration: ExplorationSettings) -> Floats:
    """What each plan of a shortlist gets of what the floor leaves, [K]; adds up to one."""
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
    """The `size` best plans by planner value, best first; equals in plan order.

    >>> shortlist_of(np.array([0.1, 0.9, 0.3, 0.9]), 3).tolist()
    [1, 3, 2]
    """
    return np.argsort(-values, kind="stable")[:size]
