"""The space of plans: complete, in order, and read back from text."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.plans import PlanSpace, parse_plan, plan_text
from ltrr.errors import ConfigError, SupportError, UsageError

spaces = st.builds(
    PlanSpace,
    st.integers(1, 5).map(lambda n: tuple(f"s{i}" for i in range(n))),
    st.integers(1, 3),
    st.integers(1, 4),
)


@given(spaces)
def test_every_plan_spends_the_budget_and_comes_once_in_order(space: PlanSpace) -> None:
    rows = [tuple(row) for row in space.plans.tolist()]
    assert rows == sorted(set(rows))
    assert len(rows) == len(space)
    assert (space.plans.sum(axis=1) == space.budget).all()


@given(spaces, st.data())
def test_text_and_index_are_inverse_in_any_order_of_strategies(space: PlanSpace, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(space) - 1))
    parts = data.draw(st.permutations(space.text(index).split(",")))
    assert space.index(",".join(parts)) == index
    assert plan_text(space.strategies, parse_plan(space.strategies, space.text(index))) == space.text(index)


@given(spaces, st.data())
def test_draws_and_blocks_are_equal(space: PlanSpace, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(space) - 1))
    drawn = np.flatnonzero(space.draws[index]).tolist()
    columns = [space.strategy_index[name] * space.budget + depth - 1 for name, depth in space.blocks(index)]
    assert sorted(columns) == drawn


def test_sizes_of_the_design() -> None:
    assert len(PlanSpace(tuple("abcdef"), 2, 4)) == 126
    assert len(PlanSpace(tuple("abcdefg"), 2, 4)) == 210


def test_invalid_spaces_and_texts_are_refused() -> None:
    with pytest.raises(SupportError, match="at most 2000 plans, got 2380 plans"):
        PlanSpace(tuple(f"s{i}" for i in range(14)), 2, 4)
    for names in ((), ("title", "title"), ("Title",), ("all fields",)):
        with pytest.raises(ConfigError):
            PlanSpace(names, 2, 4)
    space = PlanSpace(("title", "memory"), 2, 4)
    for text in ("title:2", "title:5", "popular:4", "title:2,title:2", "title", "", "title:-4"):
        with pytest.raises(UsageError):
            space.index(text)


def test_a_space_can_be_pickled() -> None:
    space = PlanSpace(("title", "memory"), 2, 4)
    assert space.index("title:4") == pickle.loads(pickle.dumps(space)).index("title:4")  # noqa: S301 - our own bytes
