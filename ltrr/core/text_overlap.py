"""How much of a query an entity's stored fields answer: words, letters, year. The same online and in batch.

Needs no statistics of the catalogue, so that a service computes it from the hits that its search
engine returns anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log1p, nan

from ltrr.core.features import PLACES
from ltrr.core.queries import query_key

OVERLAPS = (
    ("title_query_share", "share of the query's words, by letters, that are in the title"),
    ("title_share", "share of the title's words, by letters, that are in the query"),
    ("title_equal", "0 or 1: the title is the query"),
    ("title_starts", "0 or 1: the title starts with the query"),
    ("trigram_jaccard", "trigrams of letters in both, over those in either"),
    ("trigram_query_share", "share of the query's trigrams that are in the title"),
    ("trigram_title_share", "share of the title's trigrams that are in the query"),
    ("description_share", "share of the query's words, by letters, that are in the description"),
    ("people_share", "share of the query's words, by letters, that name its people"),
    ("topics_share", "share of the query's words, by letters, that are among its topics"),
    ("query_share", "share of the query's words, by letters, that are in any of these or in the year"),
    ("year_gap", "years between a year in the query and the entity's; NaN where either has none"),
    ("title_words", "words"),
    ("log_popularity", "ln(1 + popularity), NaN where it is not known"),
)
"""Name and unit of every number that `text_overlap` gives, in order."""


@dataclass(frozen=True, slots=True)
class EntityFields:
    """What a service knows of a hit without asking again; whatever it does not know is left out.

    Args:
        title: what the entity is called.
        description: prose about it.
        people: who made it or is in it, in any order.
        topics: genres, tags, moods, in any order.
        year: of its making.
        popularity: any unit >= 0.
    """

    title: str = ""
    description: str = ""
    people: str = ""
    topics: str = ""
    year: float = nan
    popularity: float = nan


def text_overlap(key: str, fields: EntityFields) -> tuple[float, ...]:
    """The numbers of `OVERLAPS` for one query and one entity, rounded as features are: as used, as logged.

    Args:
        key: the query_key.
        fields: of the entity.

    >>> halo = EntityFields("Halo", people="Beyonce", year=2008)
    >>> overlap = dict(zip((name for name, _ in OVERLAPS), text_overlap("halo beyonce 2009", halo)))
    >>> [round(overlap[name], 2) for name in ("title_query_share", "title_share", "people_share", "year_gap")]
    [0.27, 1.0, 0.47, 1.0]
    """
    words, letters, year = _query_parts(key)
    title, title_words, title_letters = _title_parts(fields.title)
    texts = (_words(fields.description), _words(fields.people), _words(fields.topics))
    shared = words & title_words
    wanted = max(_letters(words), 1)
    in_both = len(letters & title_letters)
    covered = words & title_words.union(*texts)
    if year == fields.year:
        covered |= words & {str(int(year))}
    numbers = (
        _letters(shared) / wanted,
        _letters(shared) / max(_letters(title_words), 1),
        float(bool(key) and title == key),
        float(bool(key) and title.startswith(key)),
        in_both / max(len(letters) + len(title_letters) - in_both, 1),
        in_both / max(len(letters), 1),
        in_both / max(len(title_letters), 1),
        *(_letters(words & text) / wanted for text in texts),
        _letters(covered) / wanted,
        abs(year - fields.year),
        float(len(title_words)),
        log1p(max(fields.popularity, 0.0)) if fields.popularity == fields.popularity else nan,
    )
    # Always the same NaN: only then are two such tuples equal, and what was computed from one is
    # found again.
    return tuple(nan if number != number else round(number, PLACES) for number in numbers)


@lru_cache(maxsize=4_096)
def _query_parts(key: str) -> tuple[frozenset[str], frozenset[str], float]:
    years = [word for word in key.split() if len(word) == 4 and word.isdecimal() and word[:2] in ("18", "19", "20")]
    return frozenset(key.split()), _trigrams(key), float(years[0]) if years else nan


# A service sees the same entities again and again; 50,000 of them take some 100 MB.
@lru_cache(maxsize=50_000)
def _title_parts(title: str) -> tuple[str, frozenset[str], frozenset[str]]:
    key = query_key(title)
    return key, frozenset(key.split()), _trigrams(key)


@lru_cache(maxsize=50_000)
def _words(text: str) -> frozenset[str]:
    return frozenset(query_key(text).split())


def _letters(words: frozenset[str]) -> int:
    """Words weigh by their length: short ones are mostly those that say least, without statistics of any catalogue."""
    return sum(map(len, words))


def _trigrams(key: str) -> frozenset[str]:
    padded = f" {key} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


NO_OVERLAP = text_overlap("", EntityFields())
"""What is assumed of an entity that nothing was said of; it does not depend on the query."""
