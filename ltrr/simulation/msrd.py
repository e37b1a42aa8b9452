"""The world of real data: 9,750 films and 11,447 queries with human relevance judgments.

Movie Search Ranking Dataset (Metarank Labs, CC BY 4.0; films from TMDB and MovieLens tags, see its
own licence note), read from a folder with `corpus.jsonl.gz` and `judgments.tsv.gz`. This repository
contains none of it.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ltrr.core.hashing import unit_interval
from ltrr.core.queries import query_key
from ltrr.errors import UsageError
from ltrr.simulation.search import search_everything
from ltrr.simulation.strategy import Progress, SearchPlan
from ltrr.simulation.users import UserModel
from ltrr.simulation.world import Entity, Query, World

CORPUS = "corpus.jsonl.gz"
JUDGMENTS = "judgments.tsv.gz"
_COLUMNS = ["query_id", "query", "doc_id", "grade"]


def msrd_world(
    data: Path,
    *,
    users: UserModel | None = None,
    hybrid: bool = True,
    semantic: bool = True,
    block_size: int = 2,
    budget: int = 4,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> World:
    """Read the data and search it.

    Args:
        data: Folder with the two files; other data of the same form is possible.
        users: User model.
        hybrid: Whether hybrid search is a strategy.
        semantic: Whether sentence vectors are used.
        block_size: Number of candidates in one block.
        budget: Number of blocks in one plan.
        cache_folder: Folder of rankings and vectors; the vectors take two minutes on two cores.
        progress: Progress of the vectors, (done, all).

    Raises:
        UsageError: A file is missing or has another form.
    """
    entities = tuple(_films(data / CORPUS))
    numbers = {entity.entity_id: number for number, entity in enumerate(entities)}
    queries, unknown = _queries(data / JUDGMENTS, numbers)
    plan = SearchPlan(
        all_text="fields",
        structured=("people", "characters", "genres", "year"),
        title=True,
        hybrid=hybrid,
        semantic=semantic,
    )
    texts = [query.query_text for query in queries]
    rankings = search_everything(entities, texts, plan, block_size * budget, cache_folder, progress)
    return World(
        name="msrd",
        entities=entities,
        queries=queries,
        rankings=rankings,
        users=users or UserModel(),
        block_size=block_size,
        budget=budget,
        notes=(f"{unknown} judgments of films that the catalogue lacks are left out",) if unknown else (),
    )


def _films(path: Path) -> Iterator[Entity]:
    for line in _lines(path):
        if not line.strip():
            continue
        try:
            film: dict[str, Any] = json.loads(line)
            yield Entity(
                entity_id=film["id"],
                title=film["title"],
                description=film["overview"],
                attributes={
                    "tags": tuple(film["tags"]),
                    "genres": tuple(film["genres"]),
                    "people": tuple(filter(None, (film["director"], *film["actors"]))),
                    "characters": tuple(film["characters"]),
                    "year": (str(film["year"]),) if film["year"] else (),
                },
                popularity=float(film["popularity"]),
            )
        except (ValueError, KeyError, TypeError) as fault:
            raise UsageError(
                "a line of the corpus is not a film",
                which=str(path),
                expected="one JSON object per line",
                got=f"{type(fault).__name__}: {fault}",
            ) from fault


def _queries(path: Path, numbers: dict[str, int]) -> tuple[tuple[Query, ...], int]:
    """Queries, and the number of judgments of films that the catalogue lacks.

    Two texts with one query_key are one query, with the relevant films of both. The data has no
    search frequencies, so their order is by hash and independent of how difficult a query is.
    """
    rows = csv.reader(_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE)
    if next(rows, None) != _COLUMNS:
        raise UsageError(
            "the file does not have the columns of judgments",
            which=str(path),
            expected="columns " + ", ".join(_COLUMNS),
        )
    texts: dict[str, str] = {}
    wanted: dict[str, dict[int, float]] = {}
    unknown = 0
    for row in rows:
        try:
            _, text, entity_id, grade = row
            relevance = min(max(float(grade), 0.0), 1.0)
        except ValueError as fault:
            raise UsageError(
                "a line is not a judgment", which=str(path), expected="four columns, the last a number", got=repr(row)
            ) from fault
        key = query_key(text)
        texts.setdefault(key, text)
        relevant = wanted.setdefault(key, {})
        if entity_id not in numbers:
            unknown += 1
        elif relevance > 0.0:
            number = numbers[entity_id]
            relevant[number] = max(relevant.get(number, 0.0), relevance)
    return tuple(
        Query(texts[key], "labelled", relevant, demand=unit_interval("demand", key)) for key, relevant in wanted.items()
    ), unknown


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            yield from file
    except (OSError, EOFError, UnicodeDecodeError) as fault:
        raise UsageError(
            "the data cannot be read", which=str(path), got=f"{type(fault).__name__}: {fault}", todo="check --data"
        ) from fault
