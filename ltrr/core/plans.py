"""Plans: every division of a budget of blocks among strategies, in one fixed order.

A plan is the number of blocks to draw from each strategy: a vector of depths that adds up to the
budget. Its canonical text names the strategies in the policy's order and leaves out those without a
block: `title:2,memory:2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np

from ltrr.arrays import Floats, Integers8
from ltrr.errors import ConfigError, SupportError, UsageError

MAX_PLANS = 2_000
"""Largest number of plans: a decision enumerates all. 12 strategies and 4 blocks make 1,365."""

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


def plan_text(strategies: Sequence[str], depths: Sequence[int]) -> str:
    """The canonical text of a depth vector.

    >>> plan_text(("title", "popular", "memory"), (2, 0, 1))
    'title:2,memory:1'
    """
    return ",".join(f"{name}:{int(depth)}" for name, depth in zip(strategies, depths, strict=True) if depth)


def parse_plan(strategies: Sequence[str], text: str) -> tuple[int, ...]:
    """The depth vector of a plan's text, in the order of `strategies`.

    The text may name the strategies in any order.

    Raises:
        UsageError: a strategy is unknown or repeated, or a depth is not a positive integer.

    >>> parse_plan(("title", "popular", "memory"), "memory:1,title:2")
    (2, 0, 1)
    """
    depths = dict.fromkeys(strategies, 0)
    for part in text.split(","):
        name, _, digits = part.strip().partition(":")
        if name not in depths or depths[name] or not digits.isdecimal() or int(digits) < 1:
            raise UsageError(
                "cannot read a plan",
                which=repr(text),
                expected="strategy:depth,... with each of " + ", ".join(strategies) + " at most once and depth >= 1",
                got=repr(part),
            )
        depths[name] = int(digits)
    return tuple(depths.values())


@dataclass(frozen=True)
class PlanSpace:
    """All plans that spend the whole budget, in lexicographic order of their depth vectors.

    Args:
        strategies: Names in the policy's order, which is the order of every array [.., S, ..].
        block_size: Number of candidates in one block (b).
        budget: Number of blocks in one plan (D); also the largest depth of one strategy.

    Raises:
        ConfigError: there is no strategy, a name is repeated or not like `all_fields`, or the block
            size or the budget is out of range.
        SupportError: there are more than 2,000 plans.

    >>> space = PlanSpace(("title", "popular", "memory"), block_size=2, budget=2)
    >>> [space.text(i) for i in range(4)]
    ['memory:2', 'popular:1,memory:1', 'popular:2', 'title:1,memory:1']
    >>> space.index("memory:1,title:1"), space.blocks(3)
    (3, (('title', 1), ('memory', 1)))
    """

    strategies: tuple[str, ...]
    block_size: int
    budget: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategies", tuple(self.strategies))
        bad = [name for name in self.strategies if not _NAME.match(name)]
        if not self.strategies or bad or len(set(self.strategies)) < len(self.strategies):
            raise ConfigError(
                "strategies cannot be used",
                which="strategies",
                expected="at least one name, each once, of lower-case letters, digits and _",
                got=", ".join(bad or self.strategies) or "none",
            )
        if self.block_size < 1 or not 1 <= self.budget <= 127:
            raise ConfigError(
                "block size or budget out of range",
                which="block_size, budget",
                expected="block_size >= 1 and 1 <= budget <= 127",
                got=f"{self.block_size}, {self.budget}",
            )
        count = comb(len(self.strategies) + self.budget - 1, self.budget)
        if count > MAX_PLANS:
            raise SupportError(
                "too many plans to enumerate",
                which="strategies, budget",
                expected=f"at most {MAX_PLANS} plans",
                got=f"{count} plans of {len(self.strategies)} strategies and {self.budget} blocks",
                todo="draw fewer, larger blocks or leave a strategy out",
            )

    def __len__(self) -> int:
        """The number of plans, P."""
        return comb(len(self.strategies) + self.budget - 1, self.budget)

    @cached_property
    def plans(self) -> Integers8:
        """Depths, [P, S]."""
        plans = np.array(list(_compositions(self.budget, len(self.strategies))), dtype=np.int8)
        plans.setflags(write=False)
        return plans

    @cached_property
    def draws(self) -> Floats:
        """Whether a plan draws a block, 0 or 1, [P, S * D].

        Block (s, depth) is column s * D + depth - 1. Floats, because the planner multiplies by it:
        at P x S*D = 210 x 28 a matrix product is faster than sets.
        """
        depths = np.arange(1, self.budget + 1)
        draws = (self.plans[:, :, None] >= depths).reshape(len(self), -1).astype(np.float64)
        draws.setflags(write=False)
        return draws

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The canonical text of every plan, in order."""
        return tuple(plan_text(self.strategies, depths) for depths in self.plans.tolist())

    @cached_property
    def strategy_index(self) -> Mapping[str, int]:
        """Strategy name -> its position in every array [.., S, ..]."""
        return {name: position for position, name in enumerate(self.strategies)}

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {text: index for index, text in enumerate(self.texts)}

    def text(self, index: int) -> str:
        """The canonical text of plan `index`."""
        return self.texts[index]

    def index(self, text: str) -> int:
        """The index of the plan with this text, which may name the strategies in any order.

        Raises:
            UsageError: the text is not a plan of this space.
        """
        found = self._index.get(text)
        if found is None:
            found = self._index.get(plan_text(self.strategies, parse_plan(self.strategies, text)))
        if found is None:
            raise UsageError(
                "a plan does not spend the budget", which=repr(text), expected=f"depths that add up to {self.budget}"
            )
        return found

    def blocks(self, index: int) -> tuple[tuple[str, int], ...]:
        """The blocks that plan `index` draws, as (strategy, depth), depth 1 first."""
        return tuple(
            (name, depth)
            for name, deepest in zip(self.strategies, self.plans[index].tolist(), strict=True)
            for depth in range(1, deepest + 1)
        )


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Every vector of `parts` counts that adds up to `total`, in lexicographic order."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)
