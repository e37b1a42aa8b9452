"""Explanation of the choice for one query: plans, blocks, candidates and effects of features.

The numbers are those of the choice itself, made by the code that serves.

>>> from datetime import date
>>> from ltrr.artifacts.bundle import uniform_bundle
>>> from ltrr.artifacts.manifest import PolicySettings
>>> settings = PolicySettings("search", ("title", "memory"), budget=2)
>>> manifest, _ = uniform_bundle(settings, date(2026, 3, 1))
>>> looks = [Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0))]
>>> explanation = explain(Policy.of(manifest, {}), "The Matrix", looks)
>>> [(plan.plan, plan.value, round(plan.propensity, 3)) for plan in explanation.plans]
[('title:1,memory:1', 0.675, 0.333), ('title:2', 0.5375, 0.333), ('memory:2', 0.3125, 0.333)]
>>> [(row.strategy, row.depth, row.status, round(row.gain, 4)) for row in explanation.blocks]
[('title', 1, 'ok', 0.3625), ('title', 2, 'unseen', -0.1375),
 ('memory', 1, 'unseen', 0.1375), ('memory', 2, 'unseen', -0.3625)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ltrr.arrays import Bools, Floats, Longs
from ltrr.core.facts import CandidateFacts, Facts
from ltrr.core.feature_groups import MEMORY, SITUATION_GROUPS
from ltrr.core.features import PLACES
from ltrr.core.planning import Block, History
from ltrr.core.plans import PlanSpace
from ltrr.core.queries import query_class
from ltrr.core.situation import UNKNOWN_SITUATION, Situation
from ltrr.serving.bandit import Choice
from ltrr.serving.contributions import Contribution, Effect, bandit_effects, value_contributions
from ltrr.serving.policy import Policy
from ltrr.serving.values import CandidateValues

UNSEEN = "unseen"
"""Status of a block that is not visible before choosing."""

_DETAILED = 5
"""Number of candidates with contributions, and number of features of each."""


@dataclass(frozen=True)
class PlanRow:
    """One plan of the shortlist.

    Args:
        plan: Canonical text.
        value: Value of the planner; found reward.
        score: Score that exploration uses. With a bandit, predicted reward less the best plan's
            value.
        propensity: P(plan), exactly as it would be logged.
    """

    plan: str
    value: float
    score: float
    propensity: float


@dataclass(frozen=True)
class BlockRow:
    """Value of one block.

    Args:
        strategy: Its strategy.
        depth: Its depth, 1-based.
        status: Status of the answer, or `unseen`.
        candidates: Number of candidates; None if it is unseen.
        value: Sum of the values of its candidates, without regard to other blocks; None if it is
            unseen or the policy has no learned values.
        hit_rate: Expected found reward of the block, from history; None with learned values.
        marginal_hit_rate: Expected found reward that no other block of a plan brings; None with
            learned values.
        gain: Value of the best plan that draws it less the value of the best plan that does not:
            above 0 if the best plan draws it. Both plans spend the budget, so this is what the
            block adds over the block that it replaces. NaN if every plan draws it.
    """

    strategy: str
    depth: int
    status: str
    candidates: int | None
    value: float | None
    hit_rate: float | None
    marginal_hit_rate: float | None
    gain: float


@dataclass(frozen=True)
class CandidateRow:
    """One listing of a visible block.

    Args:
        strategy: Strategy that lists it.
        depth: Depth of the block.
        rank: Rank in the strategy's whole list, 1-based.
        entity_id: The candidate.
        predicted: P(click | examined) predicted by the model; None without learned values.
        clicks: Clicks of the query and this entity in the memory, decayed; 0 without evidence.
        examinations: Examinations, likewise.
        value: Value after evidence; None without learned values.
    """

    strategy: str
    depth: int
    rank: int
    entity_id: str
    predicted: float | None
    clicks: float
    examinations: float
    value: float | None


@dataclass(frozen=True)
class Explanation:
    """Explanation of one query under one policy.

    Args:
        version: Version of the bundle.
        query_text: Query as typed.
        query_key: Its canonical text.
        query_class: Its class.
        observe: What the policy sees before choosing.
        notes: Limits of this explanation, one sentence each.
        plans: The shortlist, best score first.
        other_plans: Number of plans outside the shortlist.
        floor: Propensity of each of those.
        blocks: Every block of every strategy.
        candidates: Every listing of the visible blocks.
        effects: Effects of the bandit's features on the lead of the best plan over the second;
            empty without a bandit.
        contributions: Contributions to the predicted value of the best candidates; empty without
            learned values.
    """

    version: str
    query_text: str
    query_key: str
    query_class: str
    observe: str
    notes: tuple[str, ...]
    plans: tuple[PlanRow, ...]
    other_plans: int
    floor: float
    blocks: tuple[BlockRow, ...]
    candidates: tuple[CandidateRow, ...]
    effects: tuple[Effect, ...]
    contributions: tuple[Contribution, ...]

    def to_json(self) -> dict[str, Any]:
        """The explanation as plain lists and mappings."""
        return asdict(self)


def explain(
    policy: Policy,
    query_text: str,
    looks: Sequence[Block] | None = None,
    overlaps: Mapping[str, Sequence[float]] | None = None,
    situation: Situation = UNKNOWN_SITUATION,
) -> Explanation:
    """Explain the choice for one query, with the evidence in the bundle's memory.

    Args:
        policy: Any policy. A reload during the call has no effect on it.
        query_text: Query as typed.
        looks: Blocks seen before choosing. None if they are unknown: only the blocks of the
            bundle's memory are visible.
        overlaps: `core.text_overlap` of candidates, by entity_id.
        situation: Time, surface and context of the search; only some policies use it.

    Raises:
        UsageError: the policy does not allow a look.
    """
    held = policy.pinned()
    key = held.key(query_text)
    visible = recalled_blocks(held, query_text) if looks is None else tuple(looks)
    facts = _facts(held, query_text, visible, overlaps or {})
    choice = held.choose(query_text, visible, facts=facts, situation=situation)
    valuer, space = held.chooser.valuer, held.space
    seen = None if valuer is None else valuer.candidates(key, visible, facts)
    order = np.argsort(-choice.scores, kind="stable")
    contributions: tuple[Contribution, ...] = ()
    if valuer is not None and seen is not None:
        top = sorted(seen.entity_ids, key=lambda entity_id: (-seen.worth[entity_id], entity_id))[:_DETAILED]
        contributions = value_contributions(valuer, key, seen, top, _DETAILED)
    is_comparable = held.chooser.is_learned and len(order) > 1
    return Explanation(
        version=held.version,
        query_text=query_text,
        query_key=key,
        query_class=query_class(key),
        observe=held.chooser.observe,
        notes=_notes(held, choice, has_looks=looks is not None),
        plans=_plan_rows(space, choice, order),
        other_plans=len(space) - len(order),
        floor=choice.distribution.floor,
        blocks=_block_rows(space, choice.values, visible, seen, _history(held, key) if seen is None else None),
        candidates=_candidate_rows(space, visible, seen, facts),
        effects=bandit_effects(held.chooser, choice, order[:2].tolist()) if is_comparable else (),
        contributions=contributions,
    )


def recalled_blocks(policy: Policy, query_text: str) -> tuple[Block, ...]:
    """Every block of the memory; empty if the policy does not draw from the memory."""
    space = policy.space
    if MEMORY not in space.strategy_index:
        return ()
    found = policy.recall(query_text, space.budget * space.block_size)
    blocks = []
    for depth in range(1, space.budget + 1):
        rows = found[(depth - 1) * space.block_size : depth * space.block_size]
        entity_ids = tuple(entity_id for entity_id, _ in rows)
        scores = tuple(round(score, PLACES) for _, score in rows)
        blocks.append(Block(MEMORY, depth, "ok" if rows else "empty", entity_ids, scores))
    return tuple(blocks)


def _facts(
    policy: Policy, query_text: str, visible: Sequence[Block], overlaps: Mapping[str, Sequence[float]]
) -> dict[str, Facts]:
    evidence = policy.evidence(query_text)
    return {
        entity_id: Facts(tuple(overlaps.get(entity_id, ())), *evidence.get(entity_id, (0.0, 0.0)))
        for entity_id in dict.fromkeys(entity_id for block in visible for entity_id in block.entity_ids)
        if entity_id in overlaps or entity_id in evidence
    }


def _history(policy: Policy, key: str) -> History:
    """The history that `Policy.choose` plans this query with."""
    return policy.history.of(key)


def _notes(policy: Policy, choice: Choice, *, has_looks: bool) -> tuple[str, ...]:
    notes = []
    if not has_looks:
        seen = "what the bundle's memory recalls" if MEMORY in policy.space.strategy_index else "nothing"
        notes.append(f"no look of this query is known, so it is explained blind: of the blocks, {seen} is seen")
    if choice.situation == UNKNOWN_SITUATION and not SITUATION_GROUPS.isdisjoint(policy.chooser.groups):
        notes.append("no time and place are known, and this policy uses them: their features are 0")
    if choice.distribution.floor * len(policy.space) >= 1.0:
        notes.append("every plan is equally likely: scores order the shortlist and move nothing")
    if not policy.chooser.is_learned:
        notes.append("no bandit: the planner's values are the scores")
    if policy.chooser.valuer is None:
        notes.append("no learned values: plans are valued by hit rates, candidates by rank alone")
    return tuple(notes)


def _plan_rows(space: PlanSpace, choice: Choice, order: Longs) -> tuple[PlanRow, ...]:
    spread = choice.distribution
    plans = spread.shortlist[order].tolist()
    return tuple(
        PlanRow(space.text(plan), float(choice.values[plan]), score, spread.p(plan))
        for plan, score in zip(plans, choice.scores[order].tolist(), strict=True)
    )


def _block_rows(
    space: PlanSpace,
    values: Floats,
    visible: Sequence[Block],
    seen: CandidateValues | None,
    history: History | None,
) -> tuple[BlockRow, ...]:
    known = {(block.strategy, block.depth): block for block in visible}
    rows = []
    for s, strategy in enumerate(space.strategies):
        for depth in range(1, space.budget + 1):
            block = known.get((strategy, depth))
            worth = None
            if block is not None and seen is not None:
                worth = sum(seen.worth[entity_id] for entity_id in dict.fromkeys(block.entity_ids))
            rows.append(
                BlockRow(
                    strategy,
                    depth,
                    status=block.status if block else UNSEEN,
                    candidates=len(block.entity_ids) if block else None,
                    value=worth,
                    hit_rate=float(history.hit_rate[s, depth - 1]) if history else None,
                    marginal_hit_rate=float(history.marginal_hit_rate[s, depth - 1]) if history else None,
                    gain=_gain(values, space.draws[:, s * space.budget + depth - 1] > 0.0),
                )
            )
    return tuple(rows)


def _gain(values: Floats, draws_it: Bools) -> float:
    return float(values[draws_it].max() - values[~draws_it].max()) if not draws_it.all() else float("nan")


def _candidate_rows(
    space: PlanSpace, visible: Sequence[Block], seen: CandidateValues | None, facts: CandidateFacts
) -> tuple[CandidateRow, ...]:
    predicted = {} if seen is None else dict(zip(seen.entity_ids, seen.predicted.tolist(), strict=True))
    unknown = Facts()
    ordered = sorted(visible, key=lambda block: (space.strategy_index[block.strategy], block.depth))
    return tuple(
        CandidateRow(
            block.strategy,
            block.depth,
            rank,
            entity_id,
            predicted.get(entity_id),
            facts.get(entity_id, unknown).clicks,
            facts.get(entity_id, unknown).examinations,
            None if seen is None else seen.worth[entity_id],
        )
        for block in ordered
        for rank, entity_id in enumerate(block.entity_ids, start=block.first_rank(space.block_size))
    )
