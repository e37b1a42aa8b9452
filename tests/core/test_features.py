"""Features: declared once, with when they are known, and independent of the order of draws."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.artifacts.manifest import PolicySettings
from ltrr.core.feature_groups import GROUPS
from ltrr.core.features import (
    action_features,
    action_matrix,
    check_known,
    shared_features,
    shared_vector,
)
from ltrr.core.planning import Block, History
from ltrr.core.plans import PlanSpace
from ltrr.core.ranker_features import ranker_features, ranker_matrix
from ltrr.core.situation import Situation
from ltrr.errors import ConfigError

SPACE = PlanSpace(("title", "memory", "popular"), block_size=2, budget=3)
EVENING = Situation(datetime(2026, 3, 6, 19, 30, tzinfo=UTC), 60, "search", {"device": "phone", "is_holiday": "true"})


@st.composite
def unions(draw: st.DrawFn) -> list[Block]:
    """The blocks of one plan, with overlaps, short blocks and equal scores."""
    drawn = []
    for strategy, depth in SPACE.blocks(draw(st.integers(0, len(SPACE) - 1))):
        ids = draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=2))
        scores = draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=len(ids), max_size=len(ids)))
        drawn.append(Block(strategy, depth, "ok" if ids else "empty", tuple(ids), tuple(scores)))
    return drawn


@given(unions(), st.data())
def test_the_union_is_a_function_of_the_set_of_blocks(drawn: list[Block], data: st.DataObject) -> None:
    entity_ids, matrix = ranker_matrix(SPACE, drawn, "the matrix")
    again_ids, again = ranker_matrix(SPACE, data.draw(st.permutations(drawn)), "the matrix")
    assert entity_ids == again_ids == tuple(sorted({e for block in drawn for e in block.entity_ids}))
    np.testing.assert_array_equal(matrix, again)
    assert matrix.shape == (len(entity_ids), len(ranker_features(SPACE)))


def test_a_strategy_that_was_not_drawn_has_reciprocal_rank_0_and_no_score() -> None:
    names = [feature.name for feature in ranker_features(SPACE)]
    drawn = [Block("title", 2, "ok", ("e1",), (3.0,))]
    _, matrix = ranker_matrix(SPACE, drawn, "love")
    row = dict(zip(names, matrix[0].tolist(), strict=True))
    assert row["reciprocal_rank:title"] == round(1 / 3, 6)
    assert row["reciprocal_rank:memory"] == 0.0
    assert np.isnan(row["score:memory"])
    assert np.isnan(row["score_ratio:memory"])


def test_every_declaration_has_a_value() -> None:
    looks = [Block("title", 1, "ok", ("e1", "e2"), (3.0, 1.0))]
    for observe in ("blind", "first_look", "all_blocks"):
        assert len(shared_vector(SPACE, looks, "1999", observe)) == len(shared_features(SPACE, observe))
    assert action_matrix(SPACE, np.zeros(len(SPACE))).shape == (len(SPACE), len(action_features()))
    for features in (shared_features(SPACE), action_features(), ranker_features(SPACE)):
        assert len({feature.name for feature in features}) == len(features)


def test_nothing_is_used_before_it_is_known() -> None:
    check_known(shared_features(SPACE, "blind"), "blind")
    check_known((*shared_features(SPACE), *action_features()), "first_look")
    with pytest.raises(ConfigError, match="first_count:title"):
        check_known(shared_features(SPACE, "first_look"), "blind")
    with pytest.raises(ConfigError, match="fusion"):
        check_known(ranker_features(SPACE), "first_look")
    with pytest.raises(ConfigError, match="one of blind, first_look, all_blocks"):
        shared_features(SPACE, "everything")


def test_every_group_declares_the_features_that_it_computes() -> None:
    looks = [Block("title", 1, "ok", ("e1", "e2"), (3.0, 1.0)), Block("memory", 1, "ok", ("e1",), (0.4,))]
    for observe in ("first_look", "all_blocks"):
        features = shared_features(SPACE, observe, tuple(GROUPS))
        values = shared_vector(SPACE, looks, "blade runner 2049", observe, tuple(GROUPS), draws=60.0, situation=EVENING)
        assert len(values) == len(features) == len({feature.name for feature in features})
        assert np.isfinite(values).all()
        # Bounded, so that no feature dominates the others.
        assert (np.abs(values) <= 1.0).all()
        assert {feature.namespace for feature in features} == {"q"}
        assert all(feature.unit and feature.source for feature in features)


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_blind_policy_cannot_use_a_group_that_needs_looks(group: str) -> None:
    if GROUPS[group].known_at in ("context", "history"):
        settings = PolicySettings("search", SPACE.strategies, observe="blind", features=(group,))
        assert {feature.known_at for feature in settings.shared_features} == {GROUPS[group].known_at}
    else:
        with pytest.raises(ConfigError, match="before they are known"):
            shared_features(SPACE, "blind", (group,))
        with pytest.raises(ConfigError, match="before they are known"):
            PolicySettings("search", SPACE.strategies, observe="blind", features=(group,))


def test_unknown_and_repeated_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match="some of query, looks"):
        shared_features(SPACE, "first_look", ("query", "weather"))
    with pytest.raises(ConfigError, match="each group once"):
        shared_features(SPACE, "first_look", ("query", "time", "query"))
    with pytest.raises(ConfigError, match="memory among the strategies"):
        PolicySettings("search", ("title", "popular"), features=("query", "memory"))


def values_of(group: str, key: str = "love", **known: Any) -> dict[str, float]:
    names = [feature.name for feature in shared_features(SPACE, "first_look", (group,))]
    looks = known.pop("looks", [])
    return dict(zip(names, shared_vector(SPACE, looks, key, "first_look", (group,), **known).tolist(), strict=True))


def test_features_of_the_text_and_kind_of_a_query() -> None:
    text = values_of("text", "blade runner 2049")
    assert (text["script:latin"], text["names_year"]) == (1.0, 1.0)
    assert (text["characters"], text["digits"]) == (17 / 40, round(4 / 17, 6))
    assert values_of("text", "")["script:other"] == 1.0
    same = [Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("popular", 1, "ok", ("e1",), (9.0,))]
    assert values_of("kind", looks=[*same, Block("memory", 1, "timeout")]) == {
        "same_first": 1.0,
        "came_empty": round(1 / 3, 6),
    }
    assert values_of("kind") == {"same_first": 0.0, "came_empty": 0.0}


def test_times_are_those_of_the_users_clock() -> None:
    # Saturday 23:30 UTC is Sunday 0:30 an hour east, and Saturday 18:30 five hours west.
    night = datetime(2026, 3, 7, 23, 30, tzinfo=UTC)
    east = values_of("time", situation=Situation(night, 60, context={"is_holiday": "true"}))
    assert (east["weekday:sunday"], east["weekend"], east["holiday"]) == (1.0, 1.0, 1.0)
    assert east["hour_sin"] == pytest.approx(np.sin(2 * np.pi * 0.5 / 24), abs=1e-6)
    west = values_of("time", situation=Situation(night, -300))
    assert (west["weekday:saturday"], west["holiday"]) == (1.0, 0.0)
    assert west["hour_cos"] == pytest.approx(np.cos(2 * np.pi * 18.5 / 24), abs=1e-6)
    # The time zone of the service does not matter.
    tokyo = night.astimezone(timezone(timedelta(hours=9)))
    assert values_of("time", situation=Situation(tokyo, -300)) == west
    assert set(values_of("time").values()) == {0.0}


def test_frequency_and_history_are_those_that_plans_are_valued_with() -> None:
    assert list(values_of("frequency", draws=0.0).values()) == [0.0] * 4
    assert [list(values_of("frequency", draws=draws).values()).index(1.0) for draws in (20.0, 50.0, 999.0, 1e6)] == [
        0,
        1,
        2,
        3,
    ]
    rates = np.arange(9.0).reshape(3, 3) / 10
    found = values_of("history", history=History(rates, rates / 2))
    assert found["history_first:memory"] == 0.3
    assert found["history_deeper:memory"] == 0.45
    assert found["history_deeper:popular"] == 0.75


def test_a_shortlist_has_the_rows_of_the_whole_matrix() -> None:
    values = np.linspace(0.0, 1.0, len(SPACE)) % 0.3
    wanted = np.array([4, 0, 7])
    np.testing.assert_array_equal(action_matrix(SPACE, values, wanted), action_matrix(SPACE, values)[wanted])
