"""The one place where chance enters a decision, and where its exact probability is known.

A policy is softmax over the scores of a shortlist, mixed with a uniform floor over *all* plans:

    P(a) = (1 - floor_share) * softmax(score / temperature)[a] * 1[a in shortlist]  +  floor_share / n_actions

so that every plan is logged with a known positive probability and any other policy can be judged on the log. The
probability that is logged is that of this mixture, computed before the draw and never changed after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ltrr.errors import ConfigError


@dataclass(frozen=True)
class ExplorationSettings:
    """How much, and among what, a policy explores.

    Args:
        temperature: of the softmax, in units of reward: a plan worth one temperature less is drawn 1/e as often.
            0 is greedy.
        floor_share: probability mass spread evenly over all plans, 0..1; 1 is the uniform policy.
        shortlist_size: how many plans, best by planner value, are scored.

    The defaults pay for verdicts. Measured in the music world on 6,000 held-out impressions of a uniform log: 8 plans
    at .05 leave an effective sample of 116 and a gain of one standard error; 16 at .2 leave 464 and four of them,
    at a price of .01 of recall as served (docs/evaluation.md).
    """

    temperature: float = 0.2
    floor_share: float = 0.1
    shortlist_size: int = 20

    def __post_init__(self) -> None:
        if not (0.0 <= self.temperature < float("inf") and 0.0 <= self.floor_share <= 1.0 and self.shortlist_size >= 1):
            raise ConfigError(
                "exploration out of range",
                which="exploration",
                expected="temperature >= 0, 0 <= floor_share <= 1, shortlist_size >= 1",
                got=f"{self.temperature}, {self.floor_share}, {self.shortlist_size}",
            )


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

    shortlist: NDArray[np.int64]
    probabilities: NDArray[np.float64]
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

    def dense(self) -> NDArray[np.float64]:
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
            # Only the last bit of rounding leads here: u lies beyond a sum that is one but for 1e-16.
            return int(self.shortlist[int(np.argmax(self.probabilities))])
        wanted = min(int((u - below) / self.floor), others - 1)
        for listed in sorted(self._place):
            wanted += listed <= wanted
        return wanted

    def best(self) -> int:
        """The most probable plan; the first in the shortlist among equals."""
        return int(self.shortlist[int(np.argmax(self.probabilities))])


def softmax_with_floor(
    scores: Sequence[float] | NDArray[np.float64],
    *,
    temperature: float,
    floor_share: float,
    shortlist: NDArray[np.int64],
    n_actions: int,
) -> Distribution:
    """The mixture of softmax and floor over `n_actions` plans.

    Args:
        scores: expected reward of each shortlisted plan, higher is better, [K].
        temperature: in units of reward; 0 puts the whole softmax share on the best (the first among equals).
        floor_share: mass spread evenly over all plans.
        shortlist: the plans scored, [K].
        n_actions: P.

    >>> mixed = softmax_with_floor([0.5, 0.5, 0.0], temperature=0.1, floor_share=0.2,
    ...                            shortlist=np.array([7, 2, 5]), n_actions=10)
    >>> mixed.probabilities.round(3).tolist(), mixed.floor, round(float(mixed.dense().sum()), 12)
    ([0.419, 0.419, 0.023], 0.02, 1.0)
    """
    rewards = np.asarray(scores, dtype=np.float64)
    if temperature > 0.0:
        weights = np.exp((rewards - rewards.max()) / temperature)
    else:
        weights = np.zeros(len(rewards))
        weights[int(np.argmax(rewards))] = 1.0
    floor = floor_share / n_actions
    probabilities = (1.0 - floor_share) * (weights / weights.sum()) + floor
    return Distribution(np.asarray(shortlist, dtype=np.int64), probabilities, floor, n_actions)


def shortlist_of(values: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """The `size` best plans by planner value, best first; equals in plan order.

    >>> shortlist_of(np.array([0.1, 0.9, 0.3, 0.9]), 3).tolist()
    [1, 3, 2]
    """
    return np.argsort(-values, kind="stable")[:size]
