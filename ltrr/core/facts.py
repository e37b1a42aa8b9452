"""Facts of a candidate of one query, apart from the strategies that list it.

The same numbers are used and logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of one query and one entity.

    Attributes:
        overlap: `core.text_overlap`; empty if the service does not know the entity's fields.
        clicks: Clicks of the pair in the memory, decayed; each user counts once a day.
        examinations: Examinations of the pair, likewise; 0 if the memory does not contain it.
    """

    overlap: tuple[float, ...] = ()
    clicks: float = 0.0
    examinations: float = 0.0


CandidateFacts = Mapping[str, Facts]
"""entity_id -> facts; an entity without facts is missing."""

NO_FACTS: CandidateFacts = {}


def overlaps_of(facts: CandidateFacts) -> dict[str, tuple[float, ...]]:
    """Overlap by entity_id, for entities whose overlap is known.

    >>> overlaps_of({"e1": Facts((0.5,)), "e2": Facts(clicks=1.0, examinations=2.0)})
    {'e1': (0.5,)}
    """
    return {entity_id: fact.overlap for entity_id, fact in facts.items() if fact.overlap}


def without_evidence(facts: CandidateFacts) -> dict[str, Facts]:
    """The same facts without clicks and examinations, as of a query that was never searched.

    >>> without_evidence({"e1": Facts((0.5,), 1.0, 2.0)})
    {'e1': Facts(overlap=(0.5,), clicks=0.0, examinations=0.0)}
    """
    return {entity_id: Facts(fact.overlap) for entity_id, fact in facts.items()}
