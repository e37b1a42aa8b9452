"""The planner: what every plan is worth, from what is known before choosing. It learns nothing itself.

The value of a plan is the expected found reward of the union it draws:

    value(p) = sum of v[e] over the entities e that some visible block of p lists
             + sum of m[s, d] over the blocks (s, d) of p that are not visible yet

- v[e] = 1 - product of (1 - h[s, d] * share(r)) over the strategies s that visibly list e, at rank
  r in block d: a noisy-or, so an entity on which strategies agree is worth more, and it counts once
  however many blocks bring it. h is the hit rate of the block, split over its ranks in proportion
  to 1/r (share(r) adds up to one in a block);
- m is the marginal hit rate: what such a block adds that no other block of a plan brought. It is
  zero once a visible block of the strategy came short, because deeper ones are then empty.

It works with the first blocks visible (`first_look`), all (`all_blocks`) or none (`blind`). The
arithmetic of one decision does not grow with the catalogue: at most strategies x budget x block
size entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ltrr.core.arrays import Floats
from ltrr.core.plans import PlanSpace
from ltrr.core.ranking_metrics import reciprocal_rank
from ltrr.errors import UsageError

STATUSES = ("ok", "empty", "timeout", "error")
"""What a strategy can answer. A block that timed out or failed holds nothing and is judged as empty."""

PRIOR_HIT_AT_RANK_ONE = 0.3
"""Found reward expected of a first-ranked candidate before any log: P(wanted at rank r) = 0.3 / r.
Only the ratio between ranks matters for the order of plans; 0.3 keeps the noisy-or of several
strategies below one."""

PRIOR_MARGINAL_SHARE = 0.5
"""Share of a block's hits that no other block of the plan brought, before any log."""

_MOST_CERTAIN = 0.99
_PLACES = 9
"""Values are rounded here, so that two machines whose sums differ in the last bit still order plans alike."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of candidates as a strategy answered it.

    Args:
        strategy: which strategy.
        depth: n-th block of that strategy, 1-based.
        status: one of `STATUSES`; only `ok` holds candidates.
        entity_ids: best first; at most block_size of them.
        scores: the strategy's own scores, any unit, same length.
    """

    strategy: str
    depth: int
    status: str
    entity_ids: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()

    def first_rank(self, block_size: int) -> int:
        """Rank, within the strategy's whole list, of this block's first candidate: (depth - 1) * block_size + 1."""
        return (self.depth - 1) * block_size + 1


@dataclass(frozen=True, eq=False)
class History:
    """Past performance of every block of a plan space, [S, D]; unit: found reward per draw of the block.

    Args:
        hit_rate: expected found reward of the block's entities.
        marginal_hit_rate: of those that no other drawn block brought.
    """

    hit_rate: Floats
    marginal_hit_rate: Floats

    @staticmethod
    def prior(space: PlanSpace) -> History:
        """What is assumed before any log: hits fall with the reciprocal of the rank, alike for all strategies.

        >>> History.prior(PlanSpace(("title", "memory"), block_size=2, budget=2)).hit_rate.round(3).tolist()
        [[0.45, 0.175], [0.45, 0.175]]
        """
        per_depth = PRIOR_HIT_AT_RANK_ONE * _reciprocal_ranks(space.block_size, space.budget).sum(axis=1)
        hit_rate = np.tile(per_depth, (len(space.strategies), 1))
        # Rounded as features are: the log repeats a history in every decision, and holds exactly
        # what was used.
        return History(np.round(hit_rate, 6), np.round(PRIOR_MARGINAL_SHARE * hit_rate, 6))

    def check(self, space: PlanSpace) -> None:
        """Refuse a history of another shape, or with rates that are negative or not finite.

        Raises:
            UsageError: with both shapes.
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
        space: the plans.
        looks: the visible blocks, in any order.
        history: hit rates of this query's class.

    >>> space = PlanSpace(("title", "memory"), block_size=1, budget=2)
    >>> history = History(np.array([[0.6, 0.1], [0.5, 0.1]]), np.array([[0.3, 0.05], [0.3, 0.05]]))
    >>> same = [Block("title", 1, "ok", ("e1",), (9.0,)), Block("memory", 1, "ok", ("e1",), (1.0,))]
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
    """1/r for every rank of every block, [D, b]."""
    return reciprocal_rank(np.arange(1, budget * block_size + 1).reshape(budget, block_size))


@lru_cache(maxsize=64)
def _rank_shares(block_size: int, budget: int) -> tuple[tuple[float, ...], ...]:
    """Share of a block's hits that falls to each of its ranks, [D][b]; every row adds up to one."""
    reciprocal = _reciprocal_ranks(block_size, budget)
    return tuple(map(tuple, (reciprocal / reciprocal.sum(axis=1, keepdims=True)).tolist()))
