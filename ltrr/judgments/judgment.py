"""One judgment, and what a file of judgments contains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from ltrr.core.queries import query_key
from ltrr.core.surrogates import replace_surrogates
from ltrr.errors import UsageError

MOST_FAULTS = 100
"""Maximum number of faults that one error lists."""


@dataclass(frozen=True)
class Judgment:
    """Grade of one entity for one query.

    Args:
        query_text: Query as the file has it.
        entity_id: Identifier of the entity.
        grade: Relevance, a higher number for a better entity; 0 or less is not relevant.
        place: Line or path in the file.
    """

    query_text: str
    entity_id: str
    grade: float
    place: str


@dataclass
class Reading:
    """Judgments and faults of one file, filled by a format's reader.

    Attributes:
        judgments: Judgments in the order of the file.
        faults: Faults, each beginning with its place.
        unjudged_queries: Number of queries that the file lists without a judgment.
    """

    judgments: list[Judgment] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unjudged_queries: int = 0

    def add(self, query_text: object, entity_id: object, grade: object, place: str) -> None:
        """Add a judgment, or the faults of its values."""
        faults = [
            *([] if _is_text(query_text) else ["a query is expected, got nothing"]),
            *([] if _is_text(entity_id) else ["an entity id is expected, got nothing"]),
            *([] if _to_grade(grade) is not None else [f"a number is expected as grade, got {str(grade)[:40]!r}"]),
        ]
        self.faults += [f"{place}: {fault}" for fault in faults]
        if not faults:
            text, entity = (replace_surrogates(str(value)) for value in (query_text, entity_id))
            self.judgments.append(Judgment(text, entity, _to_grade(grade) or 0.0, place))


def _is_text(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and bool(value.strip()))


def _to_grade(value: object) -> float | None:
    """The number of a value, as JSON or text has it; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if isfinite(number) else None


def by_key(reading: Reading, key_version: int, which: str) -> dict[tuple[str, str], Judgment]:
    """(query_key, entity_id) -> judgment, each once.

    A judgment that is repeated with the same grade counts once.

    Args:
        reading: Content of the file.
        key_version: Version of the query key of the home.
        which: Name of the file, for the error.

    Raises:
        UsageError: The file has faults, contradicts itself, or contains no judgment. The message
            lists all faults.
    """
    found: dict[tuple[str, str], Judgment] = {}
    faults = list(reading.faults)
    for judgment in reading.judgments:
        key = query_key(judgment.query_text, key_version)
        if not key:
            faults.append(f"{judgment.place}: the query has no visible character")
            continue
        first = found.setdefault((key, judgment.entity_id), judgment)
        if first.grade != judgment.grade:
            faults.append(
                f"{judgment.place}: grade {judgment.grade:g}, but {first.place} has {first.grade:g} for the same query "
                "and entity"
            )
    if faults or not found:
        raise _refusal(which, faults or ["no judgment"])
    return found


def _refusal(which: str, faults: Sequence[str]) -> UsageError:
    more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    return UsageError(
        f"the judgments cannot be imported, {len(faults)} fault{'s' if len(faults) != 1 else ''}",
        which=which,
        got="; ".join(faults[:MOST_FAULTS]) + more,
        todo="nothing was imported; correct the file and import it again",
    )


def resolve_queries(rows: Iterable[tuple[str, str, object, str]], texts: Mapping[str, str], reading: Reading) -> None:
    """Add rows of (query id, entity id, grade, place), with the query text of each id.

    Args:
        rows: Rows of a format that names queries by an id.
        texts: Query id -> query text.
        reading: Reading to fill; an id without a text is a fault.
    """
    for query_id, entity_id, grade, place in rows:
        if query_id not in texts:
            reading.faults.append(f"{place}: query id {query_id!r} has no text")
        else:
            reading.add(texts[query_id], entity_id, grade, place)
