"""Judgments of TREC (qrels) and RankLib (LETOR), which name a query by an id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ltrr.judgments.judgment import Reading, resolve_queries

_LETOR = re.compile(r"(?P<grade>\S+)\s+qid:(?P<query>\S+)(?P<features>(?:\s+\d+:\S+)*)\s*(?:#\s*(?P<comment>.*))?\Z")
_DOCID = re.compile(r"docid\s*=\s*(\S+)", re.IGNORECASE)
_HEADER = re.compile(r"#\s*qid:(?P<query>\S+?):\s*(?P<text>.*?)(?:\*\d+)?\s*\Z")


def read_qrels(text: str, texts: Mapping[str, str]) -> Reading:
    r"""Read TREC qrels: `query-id iteration entity-id grade` per line.

    Args:
        text: Content of the file.
        texts: Query id -> query text.

    >>> reading = read_qrels("1 0 e1 2\n1 0 e2\n", {"1": "red dress"})
    >>> reading.judgments[0].query_text, reading.faults
    ('red dress', ['line 2: 4 columns are expected, got 3'])
    """
    reading = Reading()

    def rows() -> Iterator[tuple[str, str, object, str]]:
        for place, line in _lines(text):
            columns = line.split()
            if len(columns) != 4:
                reading.faults.append(f"{place}: 4 columns are expected, got {len(columns)}")
            else:
                yield columns[0], columns[2], columns[3], place

    resolve_queries(rows(), texts, reading)
    return reading


def read_letor(text: str, texts: Mapping[str, str] | None = None) -> Reading:
    """Read RankLib's text: `grade qid:ID 1:0.5 2:0.1 # entity-id query text` per line.

    The entity id is `docid = ID` in the comment, as LETOR has it, else the comment's first word.
    The query text is the rest of the comment, as Quepid writes it, if no texts are given and no
    header line `# qid:ID: text` has it. Features are ignored.

    >>> [one.query_text for one in read_letor("3 qid:1 # e1 red dress").judgments]
    ['red dress']
    """
    reading = Reading()
    named = dict(texts or {})
    rows: list[tuple[str, str, object, str]] = []
    for place, line in _lines(text):
        header = _HEADER.match(line)
        if header:
            named.setdefault(header["query"], header["text"])
            continue
        if line.startswith("#"):
            continue
        found = _LETOR.match(line)
        comment = (found["comment"] or "") if found else ""
        docid = _DOCID.search(comment)
        entity_id, _, rest = (docid[1], "", "") if docid else comment.strip().partition(" ")
        if not found or not entity_id:
            reading.faults.append(f"{place}: `grade qid:ID features # entity-id` is expected")
            continue
        # docid = ... is followed by other facts about the entity, not by the query.
        if rest.strip() and texts is None:
            named.setdefault(found["query"], rest.strip())
        rows.append((found["query"], entity_id, found["grade"], place))
    resolve_queries(rows, named, reading)
    return reading


def read_query_texts(text: str) -> dict[str, str]:
    r"""Query id -> text, from lines `id<TAB>text`.

    >>> read_query_texts("1\tred dress\n2\tblue\n")
    {'1': 'red dress', '2': 'blue'}
    """
    pairs = (line.partition("\t") for _, line in _lines(text))
    return {query_id.strip(): query_text.strip() for query_id, _, query_text in pairs}


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", line.strip()
