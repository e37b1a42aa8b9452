"""Queries as inputs of the value models: visible blocks, facts of candidates, and clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ltrr.arrays import Bools, Floats, Floats32
from ltrr.artifacts.looks import blocks_of_rows, facts_of_rows
from ltrr.core.candidate_features import candidate_matrix
from ltrr.core.coverage import look_vector, reachable_depths, visible_coverage
from ltrr.core.entity_groups import CANDIDATE_GROUPS
from ltrr.core.facts import CandidateFacts, Facts, overlaps_of, without_evidence
from ltrr.core.feature_groups import MEMORY
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.serving.values import worth_of


@dataclass(frozen=True, eq=False)
class View:
    """A query with some of its blocks visible.

    Attributes:
        space: The plans.
        key: The query_key.
        blocks: The visible blocks.
        facts: Facts of their candidates.
    """

    space: PlanSpace
    key: str
    blocks: Sequence[Block]
    facts: CandidateFacts

    @cached_property
    def candidates(self) -> tuple[tuple[str, ...], Floats32]:
        """Ids and features of the visible candidates, [C] and [C, F]."""
        return candidate_matrix(self.space, self.blocks, self.key, overlaps_of(self.facts), tuple(CANDIDATE_GROUPS))

    def worth(self, predicted: Floats, strength: float) -> dict[str, float]:
        """Value of each visible candidate, from its prediction and the evidence of its facts."""
        return worth_of(self.candidates[0], predicted, self.facts, strength)

    def coverage(self, worth: Mapping[str, float]) -> Floats:
        """Summed value of the visible candidates of every plan, [P]."""
        return visible_coverage(self.space, self.blocks, worth)

    def look(self, worth: Mapping[str, float]) -> Floats32:
        """Features from which the unseen value is predicted."""
        return look_vector(self.space, self.blocks, worth, self.key, self.candidates[1])

    def without_memory(self) -> View:
        """The same view with an empty memory."""
        blocks = [Block(MEMORY, block.depth, "empty") if block.strategy == MEMORY else block for block in self.blocks]
        return replace(self, blocks=blocks)

    def without_searches(self) -> View:
        """The view as if the query had never been searched: no memory, facts without evidence."""
        return replace(self.without_memory(), facts=without_evidence(self.facts))

    @property
    def is_without_searches(self) -> bool:
        """Whether the view has no trace of earlier searches: no memory and no evidence."""
        recalled = any(block.entity_ids for block in self.blocks if block.strategy == MEMORY)
        return not recalled and not any(fact.examinations for fact in self.facts.values())


@dataclass(frozen=True, eq=False)
class KnownQuery:
    """One query of the sample.

    Attributes:
        looks: Looks as logged.
        whole: View of all blocks that its impressions fetched, with facts without evidence.
        pairs: (clicks, examinations) of every entity that was shown to training users.
    """

    looks: Sequence[View]
    whole: View
    pairs: Mapping[str, tuple[float, float]]

    @staticmethod
    def of_row(row: Mapping[str, Any], space: PlanSpace) -> KnownQuery:
        """The query of a row of `value_rows.to_known_queries`."""
        looks = [View(space, row["query_key"], blocks_of_rows(look), facts_of_rows(look)) for look in row["looks"]]
        facts = without_evidence(facts_of_rows(row["blocks"]))
        pairs = {pair["entity_id"]: (pair["clicks"], pair["examinations"]) for pair in row["pairs"]}
        return KnownQuery(looks, View(space, row["query_key"], blocks_of_rows(row["blocks"]), facts), pairs)

    @property
    def exposure(self) -> float:
        """Sum of the examinations of all pairs."""
        return sum(examinations for _, examinations in self.pairs.values())

    def union_of(self, look: View) -> View:
        """The view for labels: the look, all other known blocks, and the clicks as evidence."""
        seen = {(block.strategy, block.depth) for block in look.blocks}
        others = [block for block in self.whole.blocks if (block.strategy, block.depth) not in seen]
        overlaps = overlaps_of(self.whole.facts) | overlaps_of(look.facts)
        facts = {entity_id: Facts(overlaps.get(entity_id, ()), *pair) for entity_id, pair in self.pairs.items()}
        facts |= {entity_id: Facts(overlap) for entity_id, overlap in overlaps.items() if entity_id not in facts}
        return replace(look, blocks=[*look.blocks, *others], facts=facts)


def find_known_plans(view: View) -> Bools:
    """Whether the content of each plan is known, [P].

    Each of its blocks is visible, or empty because an earlier block was not full.

    >>> space = PlanSpace(("title", "memory"), block_size=1, budget=2)
    >>> seen = [Block("title", 1, "ok", ("e1",), (1.0,)), Block("memory", 1, "empty")]
    >>> is_known = find_known_plans(View(space, "love", seen, {}))
    >>> [space.texts[plan] for plan in np.flatnonzero(is_known)]
    ['memory:2', 'title:1,memory:1']
    """
    space = view.space
    there = np.zeros((len(space.strategies), space.budget), dtype=np.bool_)
    for block in view.blocks:
        there[space.strategy_index[block.strategy], block.depth - 1] |= block.status in ("ok", "empty")
    reach = reachable_depths(space, view.blocks)
    there |= np.arange(1, space.budget + 1) > reach[:, None]
    deepest = np.cumprod(there, axis=1).sum(axis=1)
    return np.asarray((space.plans <= deepest).all(axis=1))
