"""Plans that draw the same candidates are one group; weights on groups estimate the same with less variance."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ltrr.core.interchangeable import plan_groups, reachable_depths
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace

SPACE = PlanSpace(("title", "fields", "people", "memory"), block_size=2, budget=4)


@given(st.lists(st.integers(0, 8), min_size=4, max_size=4))
def test_a_group_is_the_plans_that_bring_the_same_candidates(lengths: list[int]) -> None:
    """By brute force over lists of every length, whose first blocks are seen."""
    lists = [
        [f"{name}-{rank}" for rank in range(length)] for name, length in zip(SPACE.strategies, lengths, strict=True)
    ]
    looks = [
        Block(name, 1, "ok" if found else "empty", tuple(found[:2]), (1.0,) * len(found[:2]))
        for name, found in zip(SPACE.strategies, lists, strict=True)
    ]
    groups = plan_groups(SPACE, reachable_depths(SPACE, looks))
    # What a look of a full block leaves open may hold anything: those lists count as endless.
    reach = [len(found[:2]) if len(found) < 2 else 8 for found in lists]
    drawn = [
        tuple(min(2 * depth, most) for depth, most in zip(depths, reach, strict=True))
        for depths in SPACE.plans.tolist()
    ]
    assert all(
        (groups[a] == groups[b]) == (drawn[a] == drawn[b]) for a in range(0, len(SPACE), 3) for b in range(len(SPACE))
    )


def test_deeper_looks_say_where_a_strategy_ends() -> None:
    seen = [Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("title", 2, "ok", ("e3",), (0.5,))]
    assert reachable_depths(SPACE, seen).tolist() == [2, 4, 4, 4]
    assert reachable_depths(SPACE, [*seen[:1], Block("title", 2, "empty")]).tolist() == [1, 4, 4, 4]
    assert reachable_depths(SPACE, [Block("title", 1, "error")]).tolist() == [4, 4, 4, 4]


def test_weights_on_groups_are_unbiased_and_vary_less() -> None:
    """Exact means and variances over every plan that a uniform policy could have drawn."""
    rng = np.random.default_rng(3)
    groups = plan_groups(SPACE, np.array([4, 1, 0, 0]))
    reward_of_group = dict(zip(np.unique(groups).tolist(), rng.uniform(0, 1, len(np.unique(groups))), strict=True))
    rewards = np.array([reward_of_group[group] for group in groups.tolist()])
    target = rng.dirichlet(np.full(len(SPACE), 0.1))
    logging = np.full(len(SPACE), 1.0 / len(SPACE))
    same = groups[:, None] == groups
    by_group = (same @ target) / (same @ logging)
    by_plan = target / logging
    assert np.isclose(logging @ (by_group * rewards), target @ rewards)
    assert np.isclose(logging @ (by_plan * rewards), target @ rewards)
    assert logging @ (by_group * rewards) ** 2 < 0.5 * (logging @ (by_plan * rewards) ** 2)
