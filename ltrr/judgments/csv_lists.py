"""Judgments as CSV: Quepid's `query,docid,rating`, and lists with other names of these columns."""

from __future__ import annotations

import csv
import io

from ltrr.judgments.judgment import Reading

NAMES = {
    "query": ("query", "query_text", "querytext", "user_query"),
    "entity": ("docid", "doc_id", "document", "document_id", "entity_id", "id"),
    "grade": ("rating", "grade", "judgment", "judgement", "relevance"),
}
"""Names of each column, lower case."""


def read_csv(text: str) -> Reading:
    r"""Read a list with a header; other columns are ignored.

    Quepid writes a query without a rating as a row of its text alone; such queries are counted.

    >>> reading = read_csv("\nquery,docid,rating\nred dress,e1,3\nblue\n")
    >>> reading.judgments[0].entity_id, reading.judgments[0].place, reading.unjudged_queries
    ('e1', 'line 3', 1)
    """
    reading = Reading()
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    places: dict[str, int] | None = None
    try:
        for row in lines:
            place = f"line {lines.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if places is None:
                places = _find_columns(row, reading, place)
                if not places:
                    return reading
            elif len(row) <= places["entity"] and len([cell for cell in row if cell]) == 1:
                reading.unjudged_queries += 1
            elif len(row) <= max(places.values()):
                reading.faults.append(f"{place}: {max(places.values()) + 1} columns are expected, got {len(row)}")
            else:
                reading.add(row[places["query"]], row[places["entity"]].strip(), row[places["grade"]].strip(), place)
    except csv.Error as fault:
        reading.faults.append(f"line {lines.line_num}: not CSV: {fault}")
    return reading


def _find_columns(header: list[str], reading: Reading, place: str) -> dict[str, int]:
    """Column of each name in `NAMES`; empty, with a fault, if one is missing."""
    names = [name.strip().lower() for name in header]
    found = {kind: next((names.index(name) for name in known if name in names), -1) for kind, known in NAMES.items()}
    missing = [" or ".join(NAMES[kind][:2]) for kind, column in found.items() if column < 0]
    if missing:
        reading.faults.append(f"{place}: a header with {', '.join(missing)} is expected, got {','.join(header)[:80]!r}")
        return {}
    return found
