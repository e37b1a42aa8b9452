"""Values of plans: exact if every block is visible, and the same for any order of the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.candidate_features import candidate_features, candidate_matrix
from ltrr.core.coverage import (
    look_features,
    look_vector,
    visible_coverage,
    with_evidence,
)
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.core.text_overlap import OVERLAPS, EntityFields, text_overlap

SPACE = PlanSpace(("title", "fields", "memory"), block_size=2, budget=3)
ENTITIES = tuple(f"e{number}" for number in range(6))


def blocks_of(lists: list[list[str]]) -> list[Block]:
    found = []
    for name, entities in zip(SPACE.strategies, lists, strict=True):
        for depth in range(1, SPACE.budget + 1):
            held = tuple(entities[2 * depth - 2 : 2 * depth])
            scores = tuple(10.0 - rank for rank in range(2 * depth - 1, 2 * depth - 1 + len(held)))
            found.append(Block(name, depth, "ok" if held else "empty", held, scores))
    return found


lists = st.lists(st.lists(st.sampled_from(ENTITIES), unique=True, max_size=6), min_size=3, max_size=3)


@given(lists, st.randoms(use_true_random=False))
def test_the_value_of_a_plan_counts_each_entity_of_its_union_once(found: list[list[str]], shuffled) -> None:
    blocks = blocks_of(found)
    worth = {entity: 0.1 + 0.13 * number for number, entity in enumerate(ENTITIES)}
    by_hand = [
        sum(worth[e] for e in {e for s, depth in enumerate(depths) for e in found[s][: 2 * depth]})
        for depths in SPACE.plans.tolist()
    ]
    shuffled.shuffle(blocks)
    np.testing.assert_allclose(visible_coverage(SPACE, blocks, worth), by_hand, atol=1e-12)


@given(lists, st.randoms(use_true_random=False))
def test_features_do_not_depend_on_the_order_of_blocks(found: list[list[str]], shuffled) -> None:
    blocks = blocks_of(found)
    overlaps = {"e1": text_overlap("halo 2008", EntityFields("Halo", people="Beyonce", year=2008, popularity=3.0))}
    worth = dict.fromkeys(ENTITIES, 0.3)
    entity_ids, matrix = candidate_matrix(SPACE, blocks, "halo 2008", overlaps)
    vector = look_vector(SPACE, blocks, worth, "halo 2008", matrix)
    shuffled.shuffle(blocks)
    again_ids, again = candidate_matrix(SPACE, blocks, "halo 2008", overlaps)
    assert again_ids == entity_ids
    np.testing.assert_array_equal(again, matrix)
    np.testing.assert_array_equal(look_vector(SPACE, blocks, worth, "halo 2008", again), vector)
    assert matrix.shape == (len(entity_ids), len(candidate_features(SPACE)))
    assert vector.shape == (len(look_features(SPACE)),)


def test_ranks_in_the_memory_are_no_candidate_feature() -> None:
    """A rank that follows from clicks must not predict clicks."""
    searched = [block for block in blocks_of([["e1", "e2"], ["e2"], []]) if block.strategy != "memory"]
    recalled = [Block("memory", 1, "ok", ("e2", "e1"), (0.9, 0.1))]
    entity_ids, without = candidate_matrix(SPACE, searched, "halo", {})
    with_memory_ids, with_memory = candidate_matrix(SPACE, searched + recalled, "halo", {})
    assert with_memory_ids == entity_ids
    np.testing.assert_array_equal(with_memory, without)


def test_evidence_moves_a_value_from_prediction_to_click_rate() -> None:
    rates = with_evidence(0.1, [0.0, 3.0, 3000.0], [0.0, 5.0, 5000.0], strength=3.0)
    assert rates[0] == pytest.approx(0.1)
    assert 0.1 < rates[1] < rates[2] < 0.6
    assert rates[2] == pytest.approx(0.6, abs=1e-3)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_overlaps_are_shares(key: str, title: str, people: str) -> None:
    overlap = dict(
        zip((name for name, _ in OVERLAPS), text_overlap(key, EntityFields(title, people=people)), strict=True)
    )
    assert all(0.0 <= value <= 1.0 for name, value in overlap.items() if name.endswith(("share", "jaccard", "equal")))
    assert overlap["query_share"] >= max(overlap["title_query_share"], overlap["people_share"])
