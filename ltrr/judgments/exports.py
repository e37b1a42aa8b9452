"""Files of graded judgments and rankings for Quepid, Search Relevance Workbench and TREC tools.

A file is written query by query, so that the driver has the rows of one query and one partition of
Spark at a time, whatever the size of the memory.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from ltrr.errors import LtrrError, UsageError
from ltrr.judgments.grades import GradedPair

EXPORTS = ("csv", "json", "qrels")
"""Formats of graded judgments."""


@dataclass(frozen=True)
class FileForm:
    """The parts of a file of graded judgments.

    Attributes:
        of_query: Text of the graded pairs of one query; at least one.
        head: Text before the first query.
        between: Text between two queries.
        tail: Text after the last query.
    """

    of_query: Callable[[Sequence[GradedPair]], str]
    head: str = ""
    between: str = ""
    tail: str = ""


def file_form(name: str, title: str, *, has_titles: bool = False) -> FileForm:
    """The form of a format.

    Args:
        name: One of `EXPORTS`.
        title: Name of the list within the file, for formats that have one.
        has_titles: Whether the last column of `csv` has the titles of the entities.
    """
    if name == "csv":
        # Quepid's columns, then the interval and the evidence of the score.
        columns = ("query", "docid", "rating", *_NUMBERS, *(["title"] if has_titles else []))
        return FileForm(partial(_csv_rows, has_titles=has_titles), _csv_line(columns))
    if name == "json":
        # The body of an import into Search Relevance Workbench.
        described = json.dumps(
            {"name": title, "description": "Memory of ltrr", "type": "IMPORT_JUDGMENT"}, ensure_ascii=False
        )
        return FileForm(_json_query, f'{described[:-1]}, "judgmentRatings": [\n', ",\n", "\n]}\n")
    return FileForm(_qrels_rows)


_NUMBERS = ("score", "low", "high", "clicks", "examinations")


def _csv_line(values: Sequence[object]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def _csv_rows(graded: Sequence[GradedPair], *, has_titles: bool) -> str:
    return "".join(
        _csv_line(
            (
                one.pair.query_key,
                one.pair.entity_id,
                one.grade,
                *(f"{getattr(one.pair, name):.6g}" for name in _NUMBERS),
                *([one.pair.title] if has_titles else []),
            )
        )
        for one in graded
    )


def _json_query(graded: Sequence[GradedPair]) -> str:
    ratings = [
        {
            "docId": one.pair.entity_id,
            **({"title": one.pair.title} if one.pair.title else {}),
            "rating": f"{one.grade:.3f}",
            "low": one.pair.low,
            "high": one.pair.high,
            "clicks": one.pair.clicks,
            "examinations": one.pair.examinations,
        }
        for one in graded
    ]
    return json.dumps({"query": graded[0].pair.query_key, "ratings": ratings}, ensure_ascii=False, indent=1)


def _qrels_rows(graded: Sequence[GradedPair]) -> str:
    """TREC qrels: `query-id 0 entity-id grade`."""
    _check_ids([one.pair.entity_id for one in graded])
    name = query_id(graded[0].pair.query_key)
    return "".join(f"{name} 0 {one.pair.entity_id} {one.grade}\n" for one in graded)


def query_id(key: str) -> str:
    """Id of a query without white space: a hash of its key, so it is the same in every file.

    >>> query_id("red dress")
    'qe858a3f9978c'
    """
    return f"q{sha256(key.encode()).hexdigest()[:12]}"


def query_text_line(key: str) -> str:
    """A line of the file of `--queries`: `id<TAB>query`."""
    return f"{query_id(key)}\t{key}\n"


def run_rows(key: str, ranking: Sequence[str], tag: str) -> str:
    """Rows of a TREC run: `query-id Q0 entity-id rank score tag`.

    The score is 1 / rank: tools order a run by score and break ties in orders of their own.

    Raises:
        UsageError: An entity id contains white space.
    """
    _check_ids(ranking)
    name = query_id(key)
    return "".join(
        f"{name} Q0 {entity_id} {rank} {1.0 / rank:.9f} {tag}\n" for rank, entity_id in enumerate(ranking, start=1)
    )


def _check_ids(entity_ids: Sequence[str]) -> None:
    wrong = sorted({entity_id for entity_id in entity_ids if not entity_id or entity_id.split() != [entity_id]})
    if wrong:
        raise UsageError(
            "a TREC file separates its columns by white space",
            which="entity_id",
            expected="ids without white space",
            got=", ".join(map(repr, wrong[:5])),
            todo="export csv or json",
        )


def write_files(files: Sequence[Path], parts: Iterable[Sequence[str]]) -> None:
    """Write files side by side, each whole or not at all.

    Args:
        files: Files to write.
        parts: Texts to append, one per file.

    Raises:
        LtrrError: A file cannot be written.
    """
    drafts = [file.with_name(f".{file.name}.part") for file in files]
    try:
        with ExitStack() as opened:
            streams = [opened.enter_context(draft.open("w", encoding="utf-8", newline="")) for draft in drafts]
            for texts in parts:
                for stream, text in zip(streams, texts, strict=True):
                    stream.write(text)
        for draft, file in zip(drafts, files, strict=True):
            draft.replace(file)
    except OSError as fault:
        raise LtrrError("the export cannot be written", which=str(files[0]), got=str(fault)) from fault
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
