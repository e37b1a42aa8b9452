"""The formats of judgments that ltrr reads, and which one a file has."""

from __future__ import annotations

import re
from pathlib import Path

from ltrr.errors import UsageError
from ltrr.judgments.csv_lists import read_csv
from ltrr.judgments.json_lists import read_json
from ltrr.judgments.judgment import Reading
from ltrr.judgments.trec_lists import read_letor, read_qrels, read_query_texts

FORMATS = ("csv", "json", "qrels", "letor")
"""Names of the formats: CSV (Quepid and others), JSON (Quepid, Search Relevance Workbench), TREC
qrels, RankLib or LETOR."""


def guess_format(text: str) -> str:
    """The format of a file, by its first line that is not empty.

    >>> [guess_format(line) for line in ("query,docid,rating", '{"queries": []}', "1 0 e1 2")]
    ['csv', 'json', 'qrels']
    >>> guess_format("2 qid:1 1:0.5 # e1"), guess_format("# qid:1: rambo")
    ('letor', 'letor')
    """
    first = next((line.strip() for line in text.split("\n") if line.strip()), "")
    if first.startswith(("{", "[")):
        return "json"
    if first.startswith("#") or re.match(r"\S+\s+qid:", first):
        return "letor"
    return "qrels" if "," not in first and len(first.split()) == 4 else "csv"


def read_file(file: Path, format_: str, queries: Path | None) -> Reading:
    """Judgments and faults of a file.

    Args:
        file: File of judgments, UTF-8 with or without a byte-order mark.
        format_: One of `FORMATS`, or `auto`.
        queries: File with the text of each query id, for qrels, and for letor without texts.

    Raises:
        UsageError: A file cannot be read, the format is unknown, or the file of query texts is
            missing.
    """
    text = _read_text(file)
    name = guess_format(text) if format_ == "auto" else format_
    texts = None if queries is None else read_query_texts(_read_text(queries))
    if name == "csv":
        return read_csv(text)
    if name == "json":
        return read_json(text)
    if name == "qrels":
        if texts is None:
            raise UsageError(
                "TREC qrels name queries by ids only",
                which=str(file),
                expected="--queries FILE with lines `id<TAB>query text`",
                got="no --queries",
            )
        return read_qrels(text, texts)
    if name == "letor":
        return read_letor(text, texts)
    raise UsageError("unknown format of judgments", which="--format", expected="auto, " + ", ".join(FORMATS), got=name)


def _read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(
            "a file cannot be read", which=str(file), expected="a text file in UTF-8", got=str(fault)
        ) from fault
