"""Exact true values equal those of counting one by one."""

import numpy as np
import pytest

from ltrr.artifacts.manifest import PolicySettings
from ltrr.core.plans import PlanSpace
from ltrr.errors import ConfigError
from ltrr.simulation.answers import answers_of, looks_of, plan_blocks, recall_entities
from ltrr.simulation.truth import draw_plans, page_rewards, true_page_rewards, true_recall, union_recalls
from tests.simulation.recall import union_recall
from tests.simulation.small_worlds import chance_world, uniform_policy

MEMORY = [("query 1", [("e3", 0.9), ("e4", 0.5), ("gone", 0.4), ("e5", 0.1)]), ("query 2", [("e0", 0.2)])]


def counted_recall(world, policy, query):
    """Recall of every plan for one query, by drawing its blocks and counting."""
    answers = answers_of(world, policy, query)
    relevant = {world.entity_ids[number] for number in world.queries[query].relevance}
    recalls = []
    for depths in policy.space.plans.tolist():
        union = {entity_id for block in plan_blocks(answers, depths) for entity_id in block.entity_ids}
        recalls.append(union_recall(union, relevant, limit=world.limit))
    return recalls


@pytest.mark.parametrize("strategies", [("title", "fields"), tuple(f"s{n}" for n in range(9))])
def test_recall_of_every_plan_is_that_of_counting(strategies) -> None:
    # Nine strategies and the memory list up to 80 entities: more than one word of 64 bits.
    world = chance_world(strategies=strategies, queries=12)
    policy = uniform_policy(world, MEMORY)
    exact = true_recall(world, policy, np.arange(12))
    assert np.allclose(exact, [counted_recall(world, policy, query) for query in range(12)], atol=1e-12)


def test_a_policy_over_fewer_strategies_and_blocks_has_its_own_plans(chance) -> None:
    space = PlanSpace(("fields", "title"), block_size=1, budget=2)
    memory = np.empty((len(chance.queries), 0), dtype=np.int32)
    exact = union_recalls(chance, space, np.arange(len(chance.queries)), memory)
    for query in range(len(chance.queries)):
        relevant = set(chance.queries[query].relevance)
        lists = [chance.rankings.entities[query, place].tolist() for place in (1, 0)]
        for plan, depths in enumerate(space.plans.tolist()):
            union = {number for numbers, depth in zip(lists, depths, strict=True) for number in numbers[:depth]}
            assert exact[query, plan] == pytest.approx(union_recall(union - {-1}, relevant, limit=chance.limit))


def test_where_nothing_is_relevant_recall_is_undefined(chance) -> None:
    world = chance_world(queries=2)
    world.queries[0].relevance.clear()
    assert np.isnan(true_recall(world, uniform_policy(world), np.array([0]))).all()


def test_a_memory_of_entities_that_are_gone_takes_up_places(chance) -> None:
    policy = uniform_policy(chance, MEMORY)
    assert recall_entities(chance, policy, np.array([1]))[0].tolist() == [3, 4, -1, 5, -1, -1, -1, -1]


def test_a_page_is_worth_examination_times_click_probability(chance) -> None:
    policy = uniform_policy(chance, MEMORY)
    queries, plans = np.array([0, 1, 2, 3]), np.array([0, 5, 11, 14])
    rewards = true_page_rewards(chance, policy, queries, plans)
    users = chance.users
    for query, plan, reward in zip(queries.tolist(), plans.tolist(), rewards.tolist(), strict=True):
        drawn = plan_blocks(answers_of(chance, policy, query), policy.space.plans[plan].tolist())
        page = policy.rank(chance.queries[query].query_text, drawn).entity_ids
        expected = 0.0
        for position, entity_id in enumerate(page[: users.page_size], start=1):
            relevance = chance.queries[query].relevance.get(chance.entity_numbers.get(entity_id, -1), 0.0)
            expected += position**-0.7 * (0.05 + 0.75 * relevance)
        assert reward == pytest.approx(expected)


def test_pages_are_cut_at_the_page_size() -> None:
    from ltrr.simulation.users import UserModel

    world = chance_world(users=UserModel(users=10, page_size=2))
    policy = uniform_policy(world)
    query = np.array([4])
    full = policy.rank("query 4", [block for blocks in answers_of(world, policy, 4) for block in blocks])
    assert len(full.entity_ids) > 2
    assert page_rewards(world, query, [full])[0] == page_rewards(world, query, [full.top(2)])[0]


def test_many_plans_at_once_are_the_same_pages(chance) -> None:
    policy = uniform_policy(chance)
    queries = np.arange(5)
    plans = np.array([[0, 3], [1, 1], [2, 13], [9, 8], [7, 0]])
    wide = true_page_rewards(chance, policy, queries, plans)
    assert wide.shape == (5, 2)
    assert wide[:, 1].tolist() == true_page_rewards(chance, policy, queries, plans[:, 1]).tolist()


def test_plans_drawn_are_unbiased() -> None:
    generator = np.random.default_rng(1)
    distribution = generator.dirichlet(np.ones(20))
    values = generator.random(20)
    drawn = draw_plans(np.tile(distribution, (4_000, 1)), np.arange(4_000), draws=3)
    estimates = values[drawn].mean(axis=1)
    # 5.5 standard errors: a false alarm in 26 million.
    assert abs(estimates.mean() - distribution @ values) < 5.5 * estimates.std() / 4_000**0.5


def test_a_plan_without_probability_is_never_drawn() -> None:
    certain = np.zeros((50, 7))
    certain[:, 4] = 1.0
    assert (draw_plans(certain, np.arange(50), draws=8) == 4).all()


def test_looks_are_what_the_setting_says(chance) -> None:
    answers = answers_of(chance, uniform_policy(chance), 0)
    # The memory costs no call: all of it is seen whatever the setting.
    memory = [("memory", depth) for depth in (1, 2, 3, 4)]
    assert [(look.strategy, look.depth) for look in looks_of(answers, "blind")] == memory
    assert [(look.strategy, look.depth) for look in looks_of(answers, "first_look")] == [
        ("title", 1),
        ("fields", 1),
        *memory,
    ]
    assert len(looks_of(answers, "all_blocks")) == 12


def test_a_policy_of_another_world_is_refused(chance) -> None:
    space = PolicySettings("search", ("title", "telepathy")).space
    with pytest.raises(ConfigError, match="telepathy"):
        union_recalls(chance, space, np.array([0]), np.empty((1, 8), dtype=np.int32))
    deeper = PolicySettings("search", ("title",), block_size=5, budget=4).space
    with pytest.raises(ConfigError, match="up to 8"):
        union_recalls(chance, deeper, np.array([0]), np.empty((1, 20), dtype=np.int32))
