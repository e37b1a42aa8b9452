"""Blocks with the facts of their candidates, in decision records and in rows of tables.

A record contains a fact once, where its entity is listed first, so that records stay short. A row
of a table repeats it with every listing, so that each block contains all facts of its candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isnan, nan
from typing import Any

from ltrr.artifacts.decision_record import block_entry
from ltrr.core.facts import CandidateFacts, Facts
from ltrr.core.planning import Block


def block_entries(
    blocks: Iterable[Block], block_size: int, facts: CandidateFacts, given: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Entries of `looks` or `draws`, with the facts of each entity where it is listed first.

    Args:
        blocks: Blocks in the order of the record.
        block_size: Block size of the policy.
        facts: Facts of the candidates.
        given: Entities whose facts the record already contains.

    >>> looks = [Block(name, 1, "ok", ("e7",), (1.5,)) for name in ("title", "memory")]
    >>> first, second = block_entries(looks, 2, {"e7": Facts((0.5, nan))})
    >>> first["results"][0]
    {'entity_id': 'e7', 'rank': 1, 'score': 1.5, 'overlap': [0.5, None]}
    >>> second["results"][0]
    {'entity_id': 'e7', 'rank': 1, 'score': 1.5}
    >>> facts_of([first, second])
    {'e7': Facts(overlap=(0.5, nan), clicks=0.0, examinations=0.0)}
    """
    known = set(given)
    entries = [block_entry(block, block_size) for block in blocks]
    for result in (result for entry in entries for result in entry["results"]):
        fact = facts.get(result["entity_id"])
        if fact is None or result["entity_id"] in known:
            continue
        known.add(result["entity_id"])
        if fact.overlap:
            result["overlap"] = [None if isnan(number) else number for number in fact.overlap]
        if fact.examinations > 0.0:
            result |= {"clicks": fact.clicks, "examinations": fact.examinations}
    return entries


def facts_of(entries: Iterable[Mapping[str, Any]]) -> dict[str, Facts]:
    """Facts of every entity with a fact in the entries."""
    found: dict[str, Facts] = {}
    for result in (result for entry in entries for result in entry["results"]):
        overlap, examinations = result.get("overlap"), result.get("examinations")
        if result["entity_id"] not in found and (overlap is not None or examinations is not None):
            found[result["entity_id"]] = Facts(_numbers(overlap), result.get("clicks") or 0.0, examinations or 0.0)
    return found


def block_row(entry: Mapping[str, Any], facts: CandidateFacts) -> dict[str, Any]:
    """An entry as an element of the columns `look` and `deeper` of `decisions`.

    >>> entry = block_entry(Block("title", 2, "ok", ("e7",), (1.5,)), 2)
    >>> row = block_row(entry, {"e7": Facts((0.5, nan), 1.0, 2.0)})
    >>> row["depth"], row["entity_ids"], row["overlaps"], row["clicks"]
    (2, ['e7'], [[0.5, nan]], [1.0])
    >>> blocks_of_rows([row])
    [Block(strategy='title', depth=2, status='ok', entity_ids=('e7',), scores=(1.5,))]
    >>> facts_of_rows([row])
    {'e7': Facts(overlap=(0.5, nan), clicks=1.0, examinations=2.0)}
    """
    results = entry["results"]
    known = [facts.get(result["entity_id"], _NO_FACTS) for result in results]
    return {
        "strategy": entry["strategy"],
        "depth": entry["depth"],
        "status": entry["status"],
        "entity_ids": [result["entity_id"] for result in results],
        "scores": [result["score"] for result in results],
        "overlaps": [list(fact.overlap) for fact in known],
        "clicks": [fact.clicks for fact in known],
        "examinations": [fact.examinations for fact in known],
    }


def blocks_of_rows(rows: Iterable[Mapping[str, Any]]) -> list[Block]:
    """The blocks of results of `block_row`; a missing score is NaN."""
    return [
        Block(row["strategy"], row["depth"], row["status"], tuple(row["entity_ids"]), _numbers(row["scores"]))
        for row in rows
    ]


def facts_of_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Facts]:
    """The facts in results of `block_row`."""
    found: dict[str, Facts] = {}
    for row in rows:
        for place, entity_id in enumerate(row["entity_ids"]):
            if entity_id not in found:
                overlap, clicks, examinations = (
                    (row[name] or [None] * (place + 1))[place] for name in ("overlaps", "clicks", "examinations")
                )
                found[entity_id] = Facts(_numbers(overlap), clicks or 0.0, examinations or 0.0)
    return found


_NO_FACTS = Facts()


def _numbers(values: Sequence[float | None] | None) -> tuple[float, ...]:
    # One NaN object for all: tuples are equal only if their NaN are the same object, and cached
    # values are found by equal tuples.
    return tuple(nan if value is None or value != value else float(value) for value in values or ())
