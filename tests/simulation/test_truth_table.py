"""The table of true values: values and relations of its rows."""

from math import isnan

import numpy as np
import pytest

from ltrr.core.plans import PlanSpace
from ltrr.simulation.policy_value import true_policy_value
from ltrr.simulation.ranker_truth import ranker_table
from ltrr.simulation.truth import true_page_rewards, true_recall
from ltrr.simulation.truth_table import (
    EQUAL_SPLIT,
    LEARNED,
    LEARNED_GREEDY,
    ORACLE,
    SINGLE,
    STATIC,
    STATIC_WITHOUT_MEMORY,
    UNIFORM,
    equal_split,
    truth_table,
)
from tests.simulation.small_worlds import chance_world, uniform_policy

MEMORY = [(f"query {n}", [(f"e{n % 30}", 0.9), (f"e{(n + 7) % 30}", 0.5)]) for n in sorted(range(40), key=str)]


@pytest.fixture(scope="module")
def world():
    return chance_world(strategies=("title", "fields", "popularity"), queries=60)


@pytest.fixture(scope="module")
def table(world):
    return {(row["slice"], row["policy"]): row for row in truth_table(world, uniform_policy(world, MEMORY))}


def test_every_policy_on_every_slice(world, table) -> None:
    policies = {LEARNED_GREEDY, LEARNED, UNIFORM, EQUAL_SPLIT, SINGLE, STATIC, STATIC_WITHOUT_MEMORY, ORACLE}
    # Sixty queries have no tail: all that are searched are among the thousand most frequent.
    assert set(table) == {(name, policy) for name in ("unseen", "head") for policy in policies}
    assert table["head", UNIFORM]["queries"] + table["unseen", UNIFORM]["queries"] == 60


def test_recall_is_exact(world, table) -> None:
    policy = uniform_policy(world, MEMORY)
    recalls = true_recall(world, policy, np.arange(60))
    for name in ("unseen", "head"):
        members = world.slices[name]
        assert table[name, UNIFORM]["recall"] == pytest.approx(recalls[members].mean())
        assert table[name, ORACLE]["recall"] == pytest.approx(recalls[members].max(axis=1).mean())
        seen = recalls[~world.unseen].mean(axis=0)
        assert table[name, STATIC]["recall"] == pytest.approx(recalls[members, seen.argmax()].mean())
        assert table[name, STATIC]["plan"] == policy.space.text(int(seen.argmax()))


def test_the_first_champion_is_uniform_and_no_policy_beats_the_oracle(table) -> None:
    for name in ("unseen", "head"):
        assert table[name, LEARNED]["recall"] == pytest.approx(table[name, UNIFORM]["recall"])
        assert table[name, LEARNED]["over_uniform"] == pytest.approx(0.0, abs=1e-12)
        for (slice_name, _), row in table.items():
            if slice_name == name:
                assert row["recall"] <= table[name, ORACLE]["recall"] + 1e-12
                assert row["recall_low"] <= row["recall"] <= row["recall_high"]
                assert row["page_reward_low"] <= row["page_reward"] <= row["page_reward_high"]
        assert table[name, ORACLE]["gap_share"] == pytest.approx(1.0)
        best = max(table[name, STATIC]["recall"], table[name, STATIC_WITHOUT_MEMORY]["recall"])
        assert table[name, ORACLE]["over_static"] == pytest.approx(table[name, ORACLE]["recall"] - best)
    assert table["head", STATIC]["recall"] >= table["head", STATIC_WITHOUT_MEMORY]["recall"]
    assert table["head", STATIC]["recall"] >= table["head", SINGLE]["recall"]
    assert "memory" not in table["head", STATIC_WITHOUT_MEMORY]["plan"]


def test_page_reward_of_few_plans_is_exact_and_of_many_is_near(world, table) -> None:
    policy = uniform_policy(world, MEMORY)
    members = world.slices["head"]
    every = np.tile(np.arange(len(policy.space)), (len(members), 1))
    rewards = true_page_rewards(world, policy, members, every)
    split = equal_split(policy.space)
    assert table["head", EQUAL_SPLIT]["page_reward"] == pytest.approx(rewards[:, split].mean())
    spread = (rewards.var(axis=1).mean() / 8 / len(members)) ** 0.5
    # Eight plans a query, drawn evenly, vary no more than eight independent ones do.
    assert abs(table["head", UNIFORM]["page_reward"] - rewards.mean()) < 5.5 * spread


def test_equal_split_gives_every_strategy_its_share() -> None:
    for strategies, budget in ((("a", "b", "c", "d", "e"), 4), (("a", "b"), 4), (("a", "b", "c"), 4)):
        space = PlanSpace(strategies, block_size=2, budget=budget)
        drawn = space.plans[equal_split(space)].sum(axis=0)
        assert drawn.tolist() == [budget] * len(strategies)


def test_the_value_of_a_version_is_that_of_its_searches(world) -> None:
    policy = uniform_policy(world)
    value = true_policy_value(world, policy, searches=20_000)
    recalls = true_recall(world, policy, np.arange(60))
    assert value.recall == pytest.approx(world.traffic @ recalls.mean(axis=1), abs=2e-3)
    assert value.recall_greedy <= world.traffic @ recalls.max(axis=1) + 2e-3
    every = np.tile(np.arange(len(policy.space)), (60, 1))
    exact = world.traffic @ true_page_rewards(world, policy, np.arange(60), every).mean(axis=1)
    assert value.page_reward == pytest.approx(exact, rel=0.1)
    assert value == true_policy_value(world, policy, searches=20_000)


def test_a_policy_without_a_ranker_is_rank_fusion(world) -> None:
    for row in ranker_table(world, uniform_policy(world)):
        assert row["learned"] == row["fusion"]
        assert row["over_fusion"] == 0.0
        assert 0.0 < row["learned"] <= 1.0
        assert not isnan(row["over_fusion_low"])
