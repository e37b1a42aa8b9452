"""Strategies really search: they find entities by title, by attributes and by meaning."""

import numpy as np
import pytest

from ltrr.errors import ConfigError
from ltrr.simulation.lexical import bm25_ranking, trigrams
from ltrr.simulation.rankings import NO_ENTITY, Ranking, load_or_compute
from ltrr.simulation.search import search_everything
from ltrr.simulation.semantic import is_installed, semantic_ranking, sentence_vectors
from ltrr.simulation.strategy import SearchPlan
from ltrr.simulation.world import Entity

FILMS = (
    Entity("e1", "Night Train", "A murder on board.", {"genre": ("crime",), "people": ("Ada Orlov",)}, 5.0),
    Entity("e2", "The Train", "Art is stolen.", {"genre": ("war",), "people": ("Burt Vance",)}, 9.0),
    Entity("e3", "Paris in Love", "Two strangers meet.", {"genre": ("romance",), "people": ("Ada Orlov",)}, 1.0),
    Entity("e4", "Ada", "A film about numbers.", {"genre": ("drama",), "people": ()}, 2.0),
)
EVERYTHING = SearchPlan(all_text="fields", structured=("genre", "people"), title=True, semantic=False)


def found(rankings, strategy, query):
    numbers = rankings.entities[query, rankings.strategies.index(strategy)].tolist()
    return [FILMS[number].entity_id for number in numbers if number != NO_ENTITY]


def test_each_strategy_finds_what_it_looks_for() -> None:
    queries = ["night train", "ada orlov", "stolen art", "trian", "zebra"]
    rankings = search_everything(FILMS, queries, EVERYTHING, limit=4)
    assert rankings.strategies == ("title", "fields", "structured", "popularity", "ngrams", "hybrid")
    assert found(rankings, "title", 0) == ["e1", "e2"]
    assert found(rankings, "popularity", 0) == ["e2", "e1"]
    assert set(found(rankings, "structured", 1)) == {"e1", "e3"}
    assert found(rankings, "title", 1) == ["e4"]
    assert found(rankings, "fields", 2)[0] == "e2"
    assert found(rankings, "title", 3) == []
    assert found(rankings, "ngrams", 3)[0] in ("e1", "e2")
    assert set(found(rankings, "hybrid", 1)) == {"e1", "e3", "e4"}
    assert [found(rankings, name, 4) for name in ("title", "structured", "popularity")] == [[], [], []]


def test_every_music_title_finds_itself(music) -> None:
    titles = [entity.title for entity in music.entities]
    ranking = bm25_ranking(titles, titles, limit=50)
    named = [[titles[number] for number in row if number != NO_ENTITY] for row in ranking.entities.tolist()]
    assert all(title in row for title, row in zip(titles, named, strict=True))
    # Namesakes share a title, so the first may be another; but it has exactly the words that were
    # asked for.
    assert all(sorted(row[0].split()) == sorted(title.split()) for title, row in zip(titles, named, strict=True))


def test_lists_are_in_order_and_ties_in_that_of_the_catalogue() -> None:
    ranking = bm25_ranking(["love", "love me", "love", "hate"], ["love"], limit=3)
    assert ranking.entities.tolist() == [[0, 2, 1]]
    assert ranking.scores[0, 0] == ranking.scores[0, 1] > ranking.scores[0, 2] > 0.0


def test_a_slip_of_the_fingers_spoils_words_but_not_their_pieces() -> None:
    titles = ["midnight rain", "golden summer", "hollow night"]
    assert bm25_ranking(titles, ["midnigth rian"], limit=1).entities.tolist() == [[NO_ENTITY]]
    assert bm25_ranking(titles, ["midnigth rian"], limit=1, tokens=trigrams).entities.tolist() == [[0]]


@pytest.mark.skipif(not is_installed(), reason="the sentence model of the extra `worlds` is not installed")
def test_meaning_is_found_without_a_word_in_common() -> None:
    texts_of_entities = [
        "calm and slow, made for resting at bedtime",
        "fast and hard, made for training",
        "battles and soldiers",
    ]
    asked = ["music to fall asleep to", "gym songs", "the military"]
    vectors = [sentence_vectors(texts) for texts in (texts_of_entities, asked)]
    assert np.allclose([np.linalg.norm(matrix, axis=1) for matrix in vectors], 1.0, atol=1e-5)
    ranking = semantic_ranking(*vectors, limit=2)
    assert ranking.entities[:, 0].tolist() == [0, 1, 2]
    assert (ranking.scores[:, 0] > ranking.scores[:, 1]).all()


def test_what_was_kept_is_what_was_made_and_depends_on_all_it_was_made_from(tmp_path) -> None:
    made = []

    def make():
        made.append(1)
        return {"entities": np.arange(3)}

    first, again = (load_or_compute(tmp_path, "ranking", ("a", "b"), make) for _ in range(2))
    assert first["entities"].tolist() == again["entities"].tolist()
    assert len(made) == 1
    load_or_compute(tmp_path, "ranking", ("ab", ""), make)
    load_or_compute(tmp_path, "vectors", ("a", "b"), make)
    assert len(made) == 3
    assert len(list(tmp_path.iterdir())) == 3


def test_a_cache_changes_nothing(tmp_path) -> None:
    queries = ["night train", "ada"]
    fresh, stored, read = (
        search_everything(FILMS, queries, EVERYTHING, limit=4, cache_folder=folder)
        for folder in (None, tmp_path, tmp_path)
    )
    for other in (stored, read):
        assert (fresh.entities == other.entities).all()
        assert (fresh.scores == other.scores).all()


def test_meaning_that_is_not_installed_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("ltrr.simulation.search.is_installed", lambda: False)
    with pytest.raises(ConfigError, match="semantic"):
        search_everything(FILMS, ["night"], SearchPlan(all_text="fields", structured=()), limit=2)


def test_an_unlisted_place_is_no_entity() -> None:
    ranking = bm25_ranking(["love"], ["love"], limit=3)
    assert isinstance(ranking, Ranking)
    assert ranking.entities.tolist() == [[0, NO_ENTITY, NO_ENTITY]]
