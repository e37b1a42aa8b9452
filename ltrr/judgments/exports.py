"""Files of graded judgments and rankings for Quepid, Search Relevance Workbench and TREC tools."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from types import MappingProxyType

from ltrr.errors import UsageError
from ltrr.judgments.grades import GradedPair

EXPORTS = ("csv", "json", "qrels")
"""Formats of graded judgments."""


NO_TITLES: Mapping[str, str] = MappingProxyType({})


def to_csv(graded: Sequence[GradedPair], titles: Mapping[str, str] = NO_TITLES) -> str:
    """Quepid's `query,docid,rating`, then the interval and the evidence of the score.

    Args:
        graded: Pairs with grades.
        titles: Titles by entity_id; if there are any, they are the last column.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    names = ("query", "docid", "rating", "score", "low", "high", "clicks", "examinations")
    writer.writerow((*names, "title") if titles else names)
    for one in graded:
        pair = one.pair
        numbers = (pair.score, pair.low, pair.high, pair.clicks, pair.examinations)
        title = (titles.get(pair.entity_id, ""),) if titles else ()
        cells = (f"{number:.6g}" for number in numbers)
        writer.writerow((pair.query_key, pair.entity_id, one.grade, *cells, *title))
    return file.getvalue()


def to_json(graded: Sequence[GradedPair], name: str, titles: Mapping[str, str] = NO_TITLES) -> str:
    """The body of an import into Search Relevance Workbench, with interval and evidence.

    Args:
        graded: Pairs with grades.
        name: Name of the list.
        titles: Titles by entity_id, for the entities that have one.
    """
    ratings = [
        {
            "query": key,
            "ratings": [
                {
                    "docId": one.pair.entity_id,
                    **({"title": titles[one.pair.entity_id]} if one.pair.entity_id in titles else {}),
                    "rating": f"{one.grade:.3f}",
                    "low": one.pair.low,
                    "high": one.pair.high,
                    "clicks": one.pair.clicks,
                    "examinations": one.pair.examinations,
                }
                for one in pairs
            ],
        }
        for key, pairs in groupby(graded, key=lambda one: one.pair.query_key)
    ]
    described = {"name": name, "description": "Memory of ltrr", "type": "IMPORT_JUDGMENT", "judgmentRatings": ratings}
    return json.dumps(described, ensure_ascii=False, indent=1) + "\n"


def query_ids(keys: Sequence[str]) -> dict[str, str]:
    """query_key -> id without white space, in the order of the keys.

    The id is a hash of the key, so a query has the same id in every file.

    >>> query_ids(["red dress"])
    {'red dress': 'qe858a3f9978c'}
    """
    return {key: f"q{sha256(key.encode()).hexdigest()[:12]}" for key in sorted(set(keys))}


def to_query_texts(ids: Mapping[str, str]) -> str:
    """The file of `--queries`: lines `id<TAB>query`."""
    return "".join(f"{query_id}\t{key}\n" for key, query_id in ids.items())


def to_qrels(graded: Sequence[GradedPair], ids: Mapping[str, str]) -> str:
    """TREC qrels: `query-id 0 entity-id grade`.

    Raises:
        UsageError: An entity id contains white space.
    """
    _check_ids([one.pair.entity_id for one in graded])
    return "".join(f"{ids[one.pair.query_key]} 0 {one.pair.entity_id} {one.grade}\n" for one in graded)


def to_run(rankings: Mapping[str, Sequence[str]], ids: Mapping[str, str], tag: str) -> str:
    """A TREC run: `query-id Q0 entity-id rank score tag`.

    The score is 1 / rank: tools order a run by score and break ties in orders of their own.

    Raises:
        UsageError: An entity id contains white space.
    """
    _check_ids([entity_id for ranking in rankings.values() for entity_id in ranking])
    return "".join(
        f"{ids[key]} Q0 {entity_id} {rank} {1.0 / rank:.9f} {tag}\n"
        for key in sorted(rankings)
        for rank, entity_id in enumerate(rankings[key], start=1)
    )


def _check_ids(entity_ids: Sequence[str]) -> None:
    wrong = sorted({entity_id for entity_id in entity_ids if not entity_id or entity_id.split() != [entity_id]})
    if wrong:
        raise UsageError(
            "a TREC file separates its columns by white space",
            which="entity_id",
            expected="ids without white space",
            got=f"{len(wrong)} with: {', '.join(map(repr, wrong[:5]))}",
            todo="export csv or json",
        )
