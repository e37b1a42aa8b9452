"""Overlap of a query with the stored fields of an entity: words, letters, year.

It needs no statistics of the catalogue, so a service computes it from the hits that its search
engine returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log1p, nan

from ltrr.core.features import PLACES
from ltrr.core.queries import QUERY_KEY_VERSION, canonical_form

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
"""Name and unit of every result of `text_overlap`, in order."""


@dataclass(frozen=True, slots=True)
class EntityFields:
    """Fields of a hit that a service knows without another request; unknown fields are left out.

    Args:
        title: Name of the entity.
        description: Text about it.
        people: Names of people who made it or are in it, in any order.
        topics: Genres, tags, moods, in any order.
        year: Year of its publication.
        popularity: Popularity in any unit, >= 0.
    """

    title: str = ""
    description: str = ""
    people: str = ""
    topics: str = ""
    year: float = nan
    popularity: float = nan


def text_overlap(key: str, fields: EntityFields, version: int = QUERY_KEY_VERSION) -> tuple[float, ...]:
    """Values of `OVERLAPS` for one query and one entity, rounded as features are.

    Args:
        key: The query_key.
        fields: Fields of the entity.
        version: Version of the query key: the fields are compared in the same canonical form.

    >>> halo = EntityFields("Halo", people="Beyonce", year=2008)
    >>> overlap = dict(zip((name for name, _ in OVERLAPS), text_overlap("halo beyonce 2009", halo)))
    >>> [round(overlap[name], 2) for name in ("title_query_share", "people_share", "year_gap")]
    [0.27, 0.47, 1.0]
    """
    words, letters, year = _query_parts(key)
    title, title_words, title_letters = _title_parts(fields.title, version)
    texts = tuple(_words(text, version) for text in (fields.description, fields.people, fields.topics))
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
    # One NaN object for all: tuples are equal only if their NaN are the same object, and cached
    # values are found by equal tuples.
    return tuple(nan if number != number else round(number, PLACES) for number in numbers)


@lru_cache(maxsize=4_096)
def _query_parts(key: str) -> tuple[frozenset[str], frozenset[str], float]:
    years = [word for word in key.split() if len(word) == 4 and word.isdecimal() and word[:2] in ("18", "19", "20")]
    return frozenset(key.split()), _trigrams(key), float(years[0]) if years else nan


# A service gets the same entities repeatedly; 50,000 take about 100 MB.
@lru_cache(maxsize=50_000)
def _title_parts(title: str, version: int) -> tuple[str, frozenset[str], frozenset[str]]:
    key = canonical_form(title, version)
    return key, frozenset(key.split()), _trigrams(key)


@lru_cache(maxsize=50_000)
def _words(text: str, version: int) -> frozenset[str]:
    return frozenset(canonical_form(text, version).split())


def _letters(words: frozenset[str]) -> int:
    """Number of letters of some words: short words mostly have less meaning, so they weigh less."""
    return sum(map(len, words))


def _trigrams(key: str) -> frozenset[str]:
    padded = f" {key} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


NO_OVERLAP = text_overlap("", EntityFields())
"""Overlap of an entity whose fields are unknown; it does not depend on the query."""
