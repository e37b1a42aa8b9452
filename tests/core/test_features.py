"""Features: declared once, known when it is said, blind to the order of draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.features import (
    action_features,
    action_matrix,
    check_known,
    ranker_features,
    ranker_matrix,
    shared_features,
    shared_vector,
)
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.errors import ConfigError

SPACE = PlanSpace(("title", "memory", "popular"), block_size=2, budget=3)


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


def test_what_was_not_drawn_is_zero_rank_and_no_score() -> None:
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


def test_a_shortlist_has_the_rows_of_the_whole_matrix() -> None:
    values = np.linspace(0.0, 1.0, len(SPACE)) % 0.3
    wanted = np.array([4, 0, 7])
    np.testing.assert_array_equal(action_matrix(SPACE, values, wanted), action_matrix(SPACE, values)[wanted])
