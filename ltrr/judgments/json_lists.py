"""Judgments as JSON: Quepid's exports, and lists of OpenSearch's Search Relevance Workbench."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ltrr.judgments.judgment import Reading

_QUERY = ("query", "query_text")
_ENTITY = ("docId", "doc_id", "docid", "entity_id")


def read_json(text: str) -> Reading:
    """Read one of these forms; other keys are ignored.

    - Quepid, ratings or a case: `{"queries": [{"query": Q, "ratings": {DOC: GRADE}}]}`; a case has
      `query_text` instead of `query`.
    - Search Relevance Workbench: `{"judgmentRatings": [{"query": Q, "ratings": [{"docId": DOC,
      "rating": "3.000"}]}]}`, also as the answer of a search, under `hits.hits[]._source`.

    >>> entry = {"query": "q", "ratings": [{"docId": "e1", "rating": "2.000"}]}
    >>> reading = read_json(json.dumps({"judgmentRatings": [entry]}))
    >>> [(one.query_text, one.entity_id, one.grade) for one in reading.judgments]
    [('q', 'e1', 2.0)]
    """
    reading = Reading()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as fault:
        reading.faults.append(f"not JSON: {fault}")
        return reading
    lists = list(_lists(content))
    if not lists:
        reading.faults.append("an object with `queries` or `judgmentRatings` is expected")
    for path, entries in lists:
        if not isinstance(entries, list):
            reading.faults.append(f"{path}: a list is expected")
            continue
        for number, entry in enumerate(entries):
            _read_query(entry, f"{path}[{number}]", reading)
    return reading


def _lists(content: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        return
    for name in ("queries", "judgmentRatings"):
        if name in content:
            yield name, content[name]
    hits = content.get("hits")
    for number, hit in enumerate((hits.get("hits") or []) if isinstance(hits, dict) else []):
        source = hit.get("_source") if isinstance(hit, dict) else None
        if isinstance(source, dict) and "judgmentRatings" in source:
            yield f"hits.hits[{number}]._source.judgmentRatings", source["judgmentRatings"]


def _read_query(entry: Any, place: str, reading: Reading) -> None:
    if not isinstance(entry, dict):
        reading.faults.append(f"{place}: an object with `query` and `ratings` is expected")
        return
    query, ratings = _first(entry, _QUERY), entry.get("ratings")
    if not ratings:
        reading.unjudged_queries += 1
    elif isinstance(ratings, Mapping):
        for entity_id, grade in ratings.items():
            reading.add(query, entity_id, grade, f"{place}.ratings[{entity_id!r}]")
    elif isinstance(ratings, list):
        for number, rating in enumerate(ratings):
            one = rating if isinstance(rating, dict) else {}
            reading.add(query, _first(one, _ENTITY), one.get("rating"), f"{place}.ratings[{number}]")
    else:
        reading.faults.append(f"{place}.ratings: an object or a list is expected")


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((entry[name] for name in names if name in entry), None)
