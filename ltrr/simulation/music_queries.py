"""Queries of the music world and their relevant entities.

There are four kinds of query. *Navigational*: a title, a title with its artist, or an artist; one
entity is relevant, and related ones less. *Misspelt*: the same with a typing error. *Broad*: a word
of many titles; the most liked matches are relevant. *Topic*: a purpose, or a genre and decade; most
of its words are in no title.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ltrr.arrays import Floats
from ltrr.core.queries import query_key
from ltrr.simulation.lexical import words
from ltrr.simulation.music_catalogue import FIRST_YEAR, LAST_YEAR, CatalogueItem
from ltrr.simulation.music_words import GENRES, SPOKEN, THEMES
from ltrr.simulation.world import Query

KIND_SHARES = {"navigational": 0.5, "misspelt": 0.15, "broad": 0.15, "topic": 0.2}
"""Shares of the query_keys; of the searches, navigational queries have a larger share."""

RELEVANT_OF_MANY = 12
"""Number of most liked matches that are relevant for a broad query or a topic."""

FULLY_RELEVANT = 4
"""Number of these matches with relevance 1 for a broad query; the others have .5."""

TASTE_NOISE = 0.7
"""Standard deviation of log popularity for one word around the entity's log popularity."""

THEME_MATCH_WEIGHT = 0.5
"""Weight of an entity of the theme without the word in its title: a song about love for "love"."""

BROAD_QUERY_SHARE = 0.1
"""Share of users who search an entity by a broad query or a topic; most type its name."""

_KEYS = "qwertyuiop asdfghjkl zxcvbnm"


Wanted = tuple[str, dict[int, float], float]
"""(text, relevance, demand)"""


def music_queries(catalogue: Sequence[CatalogueItem], count: int, seed: int) -> tuple[Query, ...]:
    """`count` queries, each query_key once; fewer if a small catalogue does not have as many."""
    generator = np.random.default_rng([seed, 2])
    popularity = np.array([item.entity.popularity for item in catalogue])
    sources: dict[str, Iterator[Wanted]] = {
        "navigational": _navigational(catalogue, popularity, generator),
        "misspelt": _misspelt(catalogue, popularity, generator),
        "broad": _broad(catalogue, popularity, generator),
        "topic": _topic(catalogue, popularity, generator),
    }
    queries: dict[str, Query] = {}
    for kind, share in KIND_SHARES.items():
        wanted = len(queries) + round(share * count)
        for tries, (text, relevance, demand) in enumerate(sources[kind], start=1):
            key = query_key(text)
            if relevance and key and key not in queries:
                queries[key] = Query(text, kind, relevance, demand)
            if len(queries) >= wanted or tries >= 30 * count:
                break
    return tuple(queries.values())


def _navigational(
    catalogue: Sequence[CatalogueItem], popularity: Floats, generator: np.random.Generator
) -> Iterator[Wanted]:
    """Endless navigational queries; more popular entities come more often."""
    titles: dict[str, list[int]] = {}
    by_artist: dict[str, list[int]] = {}
    for number, item in enumerate(catalogue):
        titles.setdefault(query_key(item.entity.title), []).append(number)
        if item.artist:
            by_artist.setdefault(item.artist, []).append(number)
    shares = popularity**0.5 / (popularity**0.5).sum()
    while True:
        for number in generator.choice(len(catalogue), size=1_000, p=shares).tolist():
            item = catalogue[number]
            # Half of the queries for a track or an album name its artist.
            says_artist = item.kind in ("track", "album") and generator.random() < 0.5
            text = f"{item.entity.title} {item.artist}" if says_artist else item.entity.title
            yield (
                text.lower(),
                _relevance_of(number, catalogue, titles, by_artist, says_artist),
                float(popularity[number]),
            )


def _relevance_of(
    number: int,
    catalogue: Sequence[CatalogueItem],
    titles: dict[str, list[int]],
    by_artist: dict[str, list[int]],
    says_artist: bool,
) -> dict[int, float]:
    """Relevance: 1 for the entity, .5 for the best works of an artist and for some namesakes.

    Namesakes are relevant only if the query does not name an artist.
    """
    item = catalogue[number]
    relevance: dict[int, float] = {}
    if not says_artist:
        namesakes = titles[query_key(item.entity.title)]
        relevance = dict.fromkeys(_most_popular(namesakes, catalogue, 4), 0.5)
    if item.kind == "artist":
        relevance |= dict.fromkeys(_most_popular(by_artist[item.artist], catalogue, 6), 0.5)
    relevance[number] = 1.0
    return relevance


def _misspelt(
    catalogue: Sequence[CatalogueItem], popularity: Floats, generator: np.random.Generator
) -> Iterator[Wanted]:
    for text, relevance, demand in _navigational(catalogue, popularity, generator):
        # One error per query. Users notice it and try again, so it is typed less often than the
        # right word.
        yield slip(text, generator), relevance, 0.3 * demand


def slip(text: str, generator: np.random.Generator) -> str:
    """Text with one letter omitted, doubled, swapped with the next, or replaced by a nearby key.

    >>> slip("midnight", np.random.default_rng(4)) != "midnight"
    True
    """
    places = [place for place, letter in enumerate(text) if letter.isalpha()]
    if len(places) < 3:
        return text + text[-1]
    while True:
        place = places[int(generator.integers(1, len(places)))]
        letter = text[place]
        near = _KEYS.find(letter)
        neighbour = _KEYS[max(near - 1, 0)].strip() or letter
        slips = ("", letter * 2, text[place + 1 : place + 2] + letter, neighbour)
        choice = int(generator.integers(4))
        slipped = text[:place] + slips[choice] + text[place + 1 + (choice == 2) :]
        if slipped != text:
            return slipped


def _broad(catalogue: Sequence[CatalogueItem], popularity: Floats, generator: np.random.Generator) -> Iterator[Wanted]:
    """A title word alone, or with a word that hardly narrows the search."""
    in_title: dict[str, list[int]] = {}
    of_theme: dict[str, list[int]] = {}
    for number, item in enumerate(catalogue):
        of_theme.setdefault(item.theme, []).append(number)
        for word in dict.fromkeys(words(item.entity.title)):
            in_title.setdefault(word, []).append(number)
    theme_of = {word: theme.name for theme in THEMES for word in theme.words} | dict.fromkeys(GENRES, "")
    forms = ("{}", "{} songs", "{} music", "{} playlist", "best {}", "new {}")
    asked = [(word, form) for word in sorted(theme_of) for form in forms]
    for place in generator.permutation(len(asked)).tolist():
        word, form = asked[place]
        matches = set(in_title.get(word, ()))
        meant = set(of_theme.get(theme_of[word], ())) if theme_of[word] else set()
        if form.endswith("playlist"):
            matches, meant = ({n for n in found if catalogue[n].kind == "playlist"} for found in (matches, meant))
        candidates = np.array(sorted(matches | meant), dtype=np.int64)
        if not len(candidates):
            continue
        # Demand for each match: its popularity, with noise so that the order differs between words.
        liking = popularity[candidates] * np.exp(generator.normal(0.0, TASTE_NOISE, len(candidates)))
        liking *= np.where(np.isin(candidates, list(matches)), 1.0, THEME_MATCH_WEIGHT)
        best = candidates[np.argsort(-liking, kind="stable")[:RELEVANT_OF_MANY]].tolist()
        relevance = {number: 1.0 if rank < FULLY_RELEVANT else 0.5 for rank, number in enumerate(best)}
        yield form.format(word), relevance, BROAD_QUERY_SHARE * float(popularity[best].sum())


def _topic(catalogue: Sequence[CatalogueItem], popularity: Floats, generator: np.random.Generator) -> Iterator[Wanted]:
    """A purpose in users' own words, alone or with a genre; a genre of a decade; a kind of a genre.

    Every match has relevance .5, and the most popular matches have relevance 1.
    """
    facts = {name: np.array([getattr(item, name) for item in catalogue]) for name in ("theme", "genre", "kind", "year")}
    everything = np.ones(len(catalogue), dtype=np.bool_)
    asked: list[tuple[str, dict[str, str | int]]] = []
    for theme in THEMES:
        for text in theme.asked:
            asked.append((text, {"theme": theme.name}))
            if theme.name not in SPOKEN:
                asked += [(f"{genre} {text}", {"theme": theme.name, "genre": genre}) for genre in GENRES]
    for genre in GENRES:
        asked += [(f"{genre} {kind}s", {"genre": genre, "kind": kind}) for kind in ("artist", "playlist", "station")]
        for decade in range(FIRST_YEAR // 10 * 10, LAST_YEAR + 1, 10):
            asked.append((f"{decade}s {genre}", {"genre": genre, "decade": decade}))
            asked.append((f"{genre} albums from the {decade}s", {"genre": genre, "decade": decade, "kind": "album"}))
    facts["decade"] = facts["year"] // 10 * 10
    for place in generator.permutation(len(asked)).tolist():
        text, wanted = asked[place]
        matches = everything.copy()
        for name, value in wanted.items():
            matches &= facts[name] == value
        found = _most_popular(np.flatnonzero(matches).tolist(), catalogue, len(catalogue))
        relevance = {number: 1.0 if rank < RELEVANT_OF_MANY else 0.5 for rank, number in enumerate(found)}
        yield text, relevance, BROAD_QUERY_SHARE * float(popularity[found[:RELEVANT_OF_MANY]].sum())


def _most_popular(numbers: Sequence[int], catalogue: Sequence[CatalogueItem], count: int) -> list[int]:
    return sorted(numbers, key=lambda number: (-catalogue[number].entity.popularity, number))[:count]
