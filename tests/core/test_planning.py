"""The planner compared with a plain computation with sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltrr.core.planning import Block, History, plan_values
from ltrr.core.plans import PlanSpace
from ltrr.errors import UsageError

STRATEGIES = ("title", "memory", "popular")


@st.composite
def situations(draw: st.DrawFn) -> tuple[PlanSpace, list[Block], History]:
    """A small plan space, visible blocks (shared entities, short and failed ones), a history."""
    space = PlanSpace(STRATEGIES[: draw(st.integers(1, 3))], draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    looks = []
    for strategy in space.strategies:
        ranked = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=space.block_size * space.budget))
        for depth in range(1, draw(st.integers(0, space.budget)) + 1):
            ids = tuple(ranked[(depth - 1) * space.block_size : depth * space.block_size])
            status = "ok" if ids else draw(st.sampled_from(["empty", "timeout", "error"]))
            looks.append(Block(strategy, depth, status, ids, tuple(1.0 for _ in ids)))
    rates = st.lists(st.floats(0, 2), min_size=space.budget, max_size=space.budget)
    rows = st.lists(rates, min_size=len(space.strategies), max_size=len(space.strategies))
    return space, draw(st.permutations(looks)), History(np.array(draw(rows)), np.array(draw(rows)))


def value_by_sets(space: PlanSpace, plan: int, looks: list[Block], history: History) -> float:
    """The formula in the docstring of `core.planning`."""
    miss: dict[str, float] = {}
    for block in looks:
        ranks = [block.first_rank(space.block_size) + place for place in range(space.block_size)]
        rate = history.hit_rate[space.strategies.index(block.strategy), block.depth - 1]
        for rank, entity_id in zip(ranks, block.entity_ids, strict=False):
            share = (1 / rank) / sum(1 / other for other in ranks)
            miss[entity_id] = miss.get(entity_id, 1.0) * (1 - min(rate * share, 0.99))
    visible = {(block.strategy, block.depth): block for block in looks}
    union: set[str] = set()
    unseen = 0.0
    for strategy, depth in space.blocks(plan):
        if (strategy, depth) in visible:
            union |= set(visible[strategy, depth].entity_ids)
        elif not any(
            len(block.entity_ids) < space.block_size
            for (other, shallower), block in visible.items()
            if other == strategy and shallower < depth
        ):
            unseen += history.marginal_hit_rate[space.strategies.index(strategy), depth - 1]
    return sum(1 - miss[entity_id] for entity_id in union) + unseen


@given(situations())
@settings(max_examples=150)
def test_values_equal_the_union_of_sets(situation: tuple[PlanSpace, list[Block], History]) -> None:
    space, looks, history = situation
    expected = [value_by_sets(space, plan, looks, history) for plan in range(len(space))]
    np.testing.assert_allclose(plan_values(space, looks, history), expected, atol=2e-9)


@given(situations(), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_looks_does_not_matter(situation, random) -> None:
    space, looks, history = situation
    shuffled = random.sample(looks, len(looks))
    assert plan_values(space, looks, history).tolist() == plan_values(space, shuffled, history).tolist()


def test_without_looks_the_value_of_a_plan_is_that_of_its_history() -> None:
    space = PlanSpace(("title", "memory"), 2, 2)
    history = History(np.array([[0.5, 0.2], [0.5, 0.2]]), np.array([[0.4, 0.1], [0.2, 0.05]]))
    values = dict(zip(space.texts, plan_values(space, [], history).tolist(), strict=True))
    assert values == pytest.approx({"memory:2": 0.25, "title:1,memory:1": 0.6, "title:2": 0.5})


def test_a_history_of_another_shape_is_refused() -> None:
    space = PlanSpace(("title", "memory"), 2, 2)
    with pytest.raises(UsageError, match=r"shape \(2, 2\)"):
        History(np.zeros((2, 3)), np.zeros((2, 2))).check(space)
    with pytest.raises(UsageError):
        History(np.full((2, 2), np.nan), np.zeros((2, 2))).check(space)
