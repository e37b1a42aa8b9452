"""The planner: value of every plan from hit rates and visible blocks. It learns nothing itself.

The value of a plan is the expected found reward of the union it draws:

    value(p) = sum of v[e] over the entities e that some visible block of p lists
             + sum of m[s, d] over the blocks (s, d) of p that are not visible yet

- v[e] = 1 - product of (1 - h[s, d] * share(r)) over the strategies s that visibly list e, at rank
  r in block d. This is a noisy-or: an entity on which strategies agree is worth more, and it counts
  once, whatever the number of blocks that list it. h is the hit rate of the block, divided among
  its ranks in proportion to 1/r (share(r) adds up to one in a block).
- m is the marginal hit rate: what such a block adds that no other block of a plan brings. It is
  zero after a visible block of the strategy that is not full, because deeper blocks are then empty.

The planner works with the first blocks visible (`first_look`), all (`all_blocks`) or none
(`blind`). The cost of one decision does not depend on the catalogue: there are at most strategies x
budget x block size entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from ltrr.arrays import Floats
from ltrr.core.plans import PlanSpace
from ltrr.core.ranking_metrics import reciprocal_rank
from ltrr.errors import UsageError

STATUSES = ("ok", "empty", "timeout", "error")
"""Status of an answer. A block that timed out or failed has no candidates and counts as empty."""

PRIOR_HIT_AT_RANK_ONE = 0.3
"""Expected found reward of a first-ranked candidate before any log: P(wanted at rank r) = 0.3 / r.
The order of plans depends only on the ratio between ranks; 0.3 keeps the noisy-or of several
strategies below one."""

PRIOR_MARGINAL_SHARE = 0.5
"""Share of a block's hits that no other block of the plan brings, before any log."""

_MOST_CERTAIN = 0.99
_PLACES = 9
"""Decimals of values, so that machines whose sums differ in the last bit order plans alike."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of candidates as a strategy answered it.

    Args:
        strategy: Name of the strategy.
        depth: Number of the block within the strategy, 1-based.
        status: One of `STATUSES`; only `ok` has candidates.
        entity_ids: Candidates, best first, at most block_size.
        scores: The strategy's own scores of them, in any unit.
        milliseconds: Duration of the call; None if unknown. It is logged, and affects no choice.
    """

    strategy: str
    depth: int
    status: str
    entity_ids: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    milliseconds: float | None = field(default=None, compare=False, repr=False)

    def first_rank(self, block_size: int) -> int:
        """Rank of the first candidate in the strategy's list: (depth - 1) * block_size + 1."""
        return (self.depth - 1) * block_size + 1


@dataclass(frozen=True, eq=False)
class History:
    """Past performance of every block of a plan space, [S, D], in found reward per draw.

    Args:
        hit_rate: Expected found reward of the block's entities.
        marginal_hit_rate: Expected found reward of those that no other drawn block brings.
    """

    hit_rate: Floats
    marginal_hit_rate: Floats

    @staticmethod
    def prior(space: PlanSpace) -> History:
        """The history assumed before any log: hits are proportional to 1 / rank in every strategy.

        >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
        >>> History.prior(space).hit_rate.round(3).tolist()
        [[0.45, 0.175], [0.45, 0.175]]
        """
        per_depth = PRIOR_HIT_AT_RANK_ONE * _reciprocal_ranks(space.block_size, space.budget).sum(axis=1)
        hit_rate = np.tile(per_depth, (len(space.strategies), 1))
        # Rounded as features are, because every logged decision contains the history that it used.
        return History(np.round(hit_rate, 6), np.round(PRIOR_MARGINAL_SHARE * hit_rate, 6))

    def check(self, space: PlanSpace) -> None:
        """Check shape and rates of the history.

        Raises:
            UsageError: the shape is another, or a rate is negative or not finite.
        """
        shape = (len(space.strategies), space.budget)
        for name, rates in (("hit_rate", self.hit_rate), ("marginal_hit_rate", self.marginal_hit_rate)):
            if rates.shape != shape or not np.isfinite(rates).all() or (rates < 0).any():
                raise UsageError(
                    "a history does not fit the plan space",
                    which=name,
                    expected=f"finite rates >= 0 of shape {shape}",
                    got=f"shape {rates.shape}, {rates.tolist()}",
                )


def plan_values(space: PlanSpace, looks: Sequence[Block], history: History) -> Floats:
    """Expected found reward of every plan, [P], before choosing.

    Args:
        space: The plans.
        looks: Visible blocks, in any order.
        history: Hit rates that the query is planned with.

    >>> space = PlanSpace(("title", "memory"), block_size=1, budget=2)
    >>> marginal = np.array([[0.3, 0.05], [0.3, 0.05]])
    >>> history = History(np.array([[0.6, 0.1], [0.5, 0.1]]), marginal)
    >>> same = [Block(name, 1, "ok", ("e1",), (1.0,)) for name in space.strategies]
    >>> dict(zip(space.texts, plan_values(space, same, history).tolist()))
    {'memory:2': 0.85, 'title:1,memory:1': 0.8, 'title:2': 0.85}
    >>> short = [Block("title", 1, "empty"), Block("memory", 1, "ok", ("e1",), (1.0,))]
    >>> dict(zip(space.texts, plan_values(space, short, history).tolist()))
    {'memory:2': 0.55, 'title:1,memory:1': 0.5, 'title:2': 0.0}
    """
    depths = space.budget
    shares = _rank_shares(space.block_size, depths)
    hit_rates = history.hit_rate.tolist()
    unseen = history.marginal_hit_rate.copy()
    miss: dict[str, float] = {}
    listed: dict[str, list[int]] = {}
    for block in looks:
        s = space.strategy_index[block.strategy]
        d = block.depth - 1
        unseen[s, d] = 0.0
        if len(block.entity_ids) < space.block_size:
            unseen[s, d:] = 0.0
        hit_rate = hit_rates[s][d]
        column = s * depths + d
        for entity_id, share in zip(block.entity_ids, shares[d], strict=False):
            miss[entity_id] = miss.get(entity_id, 1.0) * (1.0 - min(hit_rate * share, _MOST_CERTAIN))
            listed.setdefault(entity_id, []).append(column)
    values = space.draws @ unseen.ravel()
    if listed:
        listing = np.zeros((space.draws.shape[1], len(listed)))
        for position, columns in enumerate(listed.values()):
            listing[columns, position] = 1.0
        worth = 1.0 - np.fromiter(miss.values(), dtype=np.float64, count=len(miss))
        values += np.minimum(space.draws @ listing, 1.0) @ worth
    return np.round(values, _PLACES)


@lru_cache(maxsize=64)
def _reciprocal_ranks(block_size: int, budget: int) -> Floats:
    """1/r of every rank r of every block, [D, b]."""
    return reciprocal_rank(np.arange(1, budget * block_size + 1).reshape(budget, block_size))


@lru_cache(maxsize=64)
def _rank_shares(block_size: int, budget: int) -> tuple[tuple[float, ...], ...]:
    """Share of each rank in the hits of its block, [D][b]; every row adds up to one."""
    reciprocal = _reciprocal_ranks(block_size, budget)
    return tuple(map(tuple, (reciprocal / reciprocal.sum(axis=1, keepdims=True)).tolist()))
