"""The music world has the properties that docs/studies/worlds.md states."""

from collections import Counter

import numpy as np
import pytest

from ltrr.core.queries import query_key
from ltrr.errors import ConfigError
from ltrr.simulation.music import music_world
from ltrr.simulation.music_catalogue import KINDS, music_catalogue
from ltrr.simulation.music_queries import KIND_SHARES, slip
from ltrr.simulation.users import UserModel
from ltrr.simulation.world import World


def test_one_seed_one_world() -> None:
    one, same, other = (music_world(artists=15, queries=80, semantic=False, seed=seed) for seed in (1, 1, 2))
    assert one.entities == same.entities
    assert one.queries == same.queries
    assert (one.rankings.entities == same.rankings.entities).all()
    assert one.entities != other.entities
    assert one.queries != other.queries


def test_kinds_of_entities_and_queries(music) -> None:
    assert set(Counter(entity.attributes["kind"][0] for entity in music.entities)) == set(KINDS)
    kinds = Counter(query.kind for query in music.queries)
    assert len(music.queries) == 300
    assert {kind: kinds[kind] / 300 for kind in KIND_SHARES} == pytest.approx(KIND_SHARES)
    assert all(query.relevance and max(query.relevance.values()) == 1.0 for query in music.queries)


def test_what_is_wanted_by_a_title_is_called_so(music) -> None:
    for query in music.queries:
        best = [music.entities[number] for number, relevance in query.relevance.items() if relevance == 1.0]
        if query.kind == "navigational":
            assert query_key(best[0].title) in query_key(query.query_text)
        if query.kind == "misspelt":
            assert query.query_text not in {entity.title.lower() for entity in music.entities}


def test_a_slip_is_small() -> None:
    generator = np.random.default_rng(0)
    for text in ("midnight rain", "halo", "the silver foxes", "go"):
        for _ in range(50):
            slipped = slip(text, generator)
            assert slipped != text
            assert abs(len(slipped) - len(text)) <= 1
            assert slipped[0] == text[0]


def test_catalogue_order_says_nothing_about_popularity() -> None:
    popularity = np.array([made.entity.popularity for made in music_catalogue(100, seed=4)])
    ranks = popularity.argsort().argsort()
    correlation = np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]
    # Under independence its standard deviation is 1 / sqrt(n - 1).
    assert abs(correlation) < 5.5 / (len(ranks) - 1) ** 0.5


def test_slices_divide_the_queries_and_traffic_goes_to_the_seen(music) -> None:
    slices = music.slices
    assert sorted(np.concatenate(list(slices.values())).tolist()) == list(range(300))
    assert music.traffic.sum() == pytest.approx(1.0)
    assert (music.traffic[music.unseen] == 0.0).all()
    assert (music.traffic[~music.unseen] > 0.0).all()


def test_head_is_the_thousand_most_frequent(monkeypatch, music) -> None:
    monkeypatch.setattr("ltrr.simulation.world.HEAD_KEYS", 50)
    fresh = music_world(artists=30, queries=300, semantic=False)
    head, tail = fresh.slices["head"], fresh.slices["tail"]
    assert len(head) == 50
    assert fresh.traffic[head].min() > fresh.traffic[tail].max()


def test_a_world_says_what_stands_in_for_meaning(music) -> None:
    assert music.strategies == ("lexical", "structured", "popularity", "ngrams", "hybrid", "memory")
    assert "ngrams" in music.notes[0]
    assert "hybrid" not in music_world(artists=5, queries=20, semantic=False, hybrid=False).strategies


def test_a_world_with_two_queries_of_one_key_is_refused(music) -> None:
    with pytest.raises(ConfigError, match="query_keys"):
        World("twice", music.entities, (music.queries[0],) * 2, music.rankings, UserModel())


def test_users_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"click_if_relevant: .*; users: "):
        UserModel(click_if_relevant=1.5, users=0)
