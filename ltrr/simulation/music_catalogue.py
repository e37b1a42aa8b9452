"""Catalogue of the music world: artists, albums, tracks, playlists, stations and podcasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ltrr.core.hashing import unit_interval
from ltrr.simulation.music_words import (
    ADJECTIVES,
    BAND_NOUNS,
    GENRES,
    NAME_SYLLABLES,
    SPOKEN,
    THEMES,
    Theme,
)
from ltrr.simulation.users import zipf
from ltrr.simulation.world import Entity

Choice = TypeVar("Choice")

KINDS = ("artist", "album", "track", "playlist", "station", "podcast")
FIRST_YEAR, LAST_YEAR = 1965, 2025
POPULARITY_NOISE = 0.5
"""Standard deviation of the logarithm of popularity, given the place in the artist's list."""


@dataclass(frozen=True)
class CatalogueItem:
    """An entity with the facts that the generator has and search does not.

    Attributes:
        entity: Entity as search sees it.
        kind: One of `KINDS`.
        theme: Name of the theme; empty for artists and stations.
        artist: Name of the artist; empty if there is none.
        genre: One of `GENRES`; empty for podcasts.
        year: Year of release; 0 if there is none.
    """

    entity: Entity
    kind: str
    theme: str
    artist: str
    genre: str
    year: int


def music_catalogue(artists: int, seed: int) -> tuple[CatalogueItem, ...]:
    """About twelve entities for every artist, in an order that does not depend on their properties.

    Args:
        artists: Number of artists.
        seed: Seed of the catalogue.
    """
    generator = np.random.default_rng([seed, 1])
    musical = [theme for theme in THEMES if theme.name not in SPOKEN]
    spoken = [theme for theme in THEMES if theme.name in SPOKEN]
    items: list[CatalogueItem] = []
    names = _artist_names(artists, generator)
    for name, fame in zip(names, (1_000.0 * zipf(artists, 0.8) / zipf(artists, 0.8)[0]).tolist(), strict=True):
        items += _discography(name, fame, musical, generator)
    items += [_playlist(musical[number % len(musical)], generator) for number in range(round(1.4 * artists))]
    items += [_station(genre, "", generator) for genre in GENRES]
    items += [_station("", name, generator) for name in names[: round(0.3 * artists)]]
    items += [_podcast(spoken[number % len(spoken)], generator) for number in range(round(0.6 * artists))]
    # Catalogue order breaks ties of search: it must not be the order of popularity or of kinds.
    numbered = [(unit_interval(seed, "catalogue", place), item) for place, item in enumerate(items)]
    return tuple(_numbered(item, place) for place, (_, item) in enumerate(sorted(numbered, key=lambda pair: pair[0])))


def _artist_names(count: int, generator: np.random.Generator) -> list[str]:
    """Names of artists: half are invented names of people, half are bands named by common words."""
    names: dict[str, None] = {}
    while len(names) < count:
        if len(names) % 2:
            name = f"The {_one(ADJECTIVES, generator)} {_one(BAND_NOUNS, generator)}".title()
            # When all band names are used, the other artists are people.
            if name in names and len(names) > len(ADJECTIVES) * len(BAND_NOUNS):
                name = _person(generator)
        else:
            name = _person(generator)
        names[name] = None
    return list(names)


def _person(generator: np.random.Generator) -> str:
    parts = ["".join(_one(NAME_SYLLABLES, generator) for _ in range(2)).title() for _ in range(2)]
    return " ".join(parts)


def _discography(
    name: str, fame: float, themes: Sequence[Theme], generator: np.random.Generator
) -> list[CatalogueItem]:
    """The artist, one to three albums, and three to five tracks of each."""
    genre = _one(GENRES, generator)
    start = int(generator.integers(FIRST_YEAR, LAST_YEAR - 4))
    items: list[CatalogueItem] = []
    for album in range(int(generator.integers(1, 4))):
        theme = _one(themes, generator)
        year = min(start + 3 * album, LAST_YEAR)
        text = f"{genre} album by {name} about {theme.described}."
        items.append(
            _make_item(
                "album",
                _title(theme, generator),
                text,
                0.3 * fame / (album + 1),
                generator,
                theme.name,
                artist=name,
                genre=genre,
                year=year,
            )
        )
        for track in range(int(generator.integers(3, 6))):
            # An album has a theme, and most of its tracks share it.
            about = theme if generator.random() < 0.6 else _one(themes, generator)
            text = f"{genre} song by {name} about {about.described}."
            popularity = fame / (album + 1) / (track + 1)
            title = _title(about, generator)
            items.append(
                _make_item("track", title, text, popularity, generator, about.name, artist=name, genre=genre, year=year)
            )
    items.append(_make_item("artist", name, f"{genre} artist.", 0.8 * fame, generator, artist=name, genre=genre))
    return items


def _title(theme: Theme, generator: np.random.Generator) -> str:
    """Title of one to four words, mostly with one of the theme; artists may share a title."""
    word = _one(theme.words, generator)
    other = _one(THEMES[int(generator.integers(len(THEMES)))].words, generator)
    forms = (
        word,
        f"{_one(ADJECTIVES, generator)} {word}",
        f"{word} and {other}",
        f"{word} in the {other}",
        f"my {word}",
        f"{other} {word}",
        f"no more {word}",
    )
    return _one(forms, generator).title()


def _playlist(theme: Theme, generator: np.random.Generator) -> CatalogueItem:
    genre = _one(GENRES, generator)
    forms = (
        f"{_one(theme.words, generator)} {genre}",
        f"{_one(ADJECTIVES, generator)} {_one(theme.words, generator)}",
        f"{_one(theme.words, generator)} hits",
        f"{_one(theme.words, generator)} mix",
    )
    title, text = _one(forms, generator).title(), f"Playlist of {genre}: {theme.described}."
    return _make_item("playlist", title, text, 120.0, generator, theme.name, genre=genre)


def _station(genre: str, artist: str, generator: np.random.Generator) -> CatalogueItem:
    source = genre or artist
    text = f"Station with {source} and similar music."
    return _make_item("station", f"{source} Radio".title(), text, 60.0, generator, artist=artist, genre=genre)


def _podcast(theme: Theme, generator: np.random.Generator) -> CatalogueItem:
    word, other = _one(theme.words, generator), _one(theme.words, generator)
    adjective = _one(ADJECTIVES, generator)
    forms = (f"the {word} show", f"{word} and {other}", f"the {adjective} {word}", f"{word} weekly")
    title, text = _one(forms, generator).title(), f"Podcast about {theme.described}."
    return _make_item("podcast", title, text, 80.0, generator, theme.name)


def _make_item(
    kind: str,
    title: str,
    text: str,
    popularity: float,
    generator: np.random.Generator,
    theme: str = "",
    *,
    artist: str = "",
    genre: str = "",
    year: int = 0,
) -> CatalogueItem:
    noisy = round(popularity * float(np.exp(generator.normal(0.0, POPULARITY_NOISE))), 3)
    facts = {"kind": kind, "artist": artist, "genre": genre, "year": str(year or "")}
    attributes = {name: (value,) for name, value in facts.items() if value}
    return CatalogueItem(
        Entity("", title, text[0].upper() + text[1:], attributes, noisy), kind, theme, artist, genre, year
    )


def _numbered(item: CatalogueItem, place: int) -> CatalogueItem:
    entity = item.entity
    named = Entity(f"{item.kind}-{place:05d}", entity.title, entity.description, entity.attributes, entity.popularity)
    return CatalogueItem(named, item.kind, item.theme, item.artist, item.genre, item.year)


def _one(choices: Sequence[Choice], generator: np.random.Generator) -> Choice:
    return choices[int(generator.integers(len(choices)))]
