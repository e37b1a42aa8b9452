"""Blocks that a policy sees before it chooses: which are allowed, and facts of their candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ltrr.core.facts import Facts
from ltrr.core.feature_groups import MEMORY
from ltrr.core.planning import Block
from ltrr.core.text_overlap import EntityFields, text_overlap
from ltrr.errors import UsageError
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.loader import LoadedBundle

Fields = Mapping[str, EntityFields]
"""entity_id -> fields that a service knows without another request."""


def facts_of(bundle: LoadedBundle, key: str, blocks: Sequence[Block], fields: Fields) -> dict[str, Facts]:
    """Facts of the candidates of some blocks; a candidate without facts is missing."""
    evidence, version = bundle.memory.evidence(key), bundle.manifest.settings.query_key_version
    facts = {}
    for entity_id in dict.fromkeys(entity_id for block in blocks for entity_id in block.entity_ids):
        if entity_id in fields or entity_id in evidence:
            overlap = text_overlap(key, fields[entity_id], version) if entity_id in fields else ()
            facts[entity_id] = Facts(overlap, *evidence.get(entity_id, (0.0, 0.0)))
    return facts


def check_looks(chooser: PlanChooser, looks: Sequence[Block]) -> None:
    """Check that the policy may see these blocks; a replay could not reproduce others.

    Raises:
        UsageError: a block has an unknown strategy, a depth that `observe` does not allow, or too
            many entities.
    """
    space = chooser.space
    seen = {"blind": 0, "first_look": 1}.get(chooser.observe, space.budget)
    for block in looks:
        deepest = space.budget if block.strategy == MEMORY else seen
        if (
            block.strategy not in space.strategy_index
            or not 1 <= block.depth <= deepest
            or len(block.entity_ids) > space.block_size
        ):
            raise UsageError(
                "a look that this policy cannot use",
                which=f"{block.strategy}:{block.depth}",
                expected=f"blocks of {', '.join(space.strategies)}, depth up to {deepest} ({chooser.observe}), at most "
                f"{space.block_size} entities",
                got=f"{len(block.entity_ids)} entities",
            )
