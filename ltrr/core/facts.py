"""Facts of a candidate of one query, apart from the strategies that list it: numbers, as used and as logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of one query and one entity.

    Attributes:
        overlap: `core.text_overlap`; empty where the service did not know the entity's fields.
        clicks: of the pair, as the memory keeps them: decayed, each user once a day.
        examinations: likewise; 0 where the memory does not know the pair.
    """

    overlap: tuple[float, ...] = ()
    clicks: float = 0.0
    examinations: float = 0.0


CandidateFacts = Mapping[str, Facts]
"""By entity_id; an entity that is not there has no facts."""

NO_FACTS: CandidateFacts = {}


def overlaps_of(facts: CandidateFacts) -> dict[str, tuple[float, ...]]:
    """By entity_id, of those whose overlap is known.

    >>> overlaps_of({"e1": Facts((0.5,)), "e2": Facts(clicks=1.0, examinations=2.0)})
    {'e1': (0.5,)}
    """
    return {entity_id: fact.overlap for entity_id, fact in facts.items() if fact.overlap}


def without_evidence(facts: CandidateFacts) -> dict[str, Facts]:
    """The same as if the query had never been searched.

    >>> without_evidence({"e1": Facts((0.5,), 1.0, 2.0)})
    {'e1': Facts(overlap=(0.5,), clicks=0.0, examinations=0.0)}
    """
    return {entity_id: Facts(fact.overlap) for entity_id, fact in facts.items()}
