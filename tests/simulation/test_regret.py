"""Regret: >= 0 against the oracle, possibly negative against the best static plan."""

import numpy as np
import pytest

from ltrr.simulation.policy_value import searches_of_traffic
from ltrr.simulation.regret import regret_of, true_regret
from ltrr.simulation.truth import true_page_rewards
from tests.simulation.small_worlds import chance_world, uniform_policy


@pytest.fixture(scope="module")
def rewarded():
    """A world's policy, its sampled queries' shares, and page_reward of every plan of each."""
    world = chance_world(strategies=("title", "fields", "popularity"), queries=60)
    policy = uniform_policy(world)
    queries, counts = searches_of_traffic(world, 1_000)
    rewards = true_page_rewards(world, policy, queries, np.tile(np.arange(len(policy.space)), (len(queries), 1)))
    return world, policy, queries, counts / counts.sum(), rewards


def test_of_a_uniform_policy_it_is_what_the_rewards_say(rewarded) -> None:
    world, policy, _, shares, rewards = rewarded
    regret = true_regret(world, policy, searches=1_000)
    assert regret.served == pytest.approx(shares @ rewards.mean(axis=1))
    assert regret.oracle == pytest.approx(shares @ rewards.max(axis=1))
    assert regret.static == pytest.approx((shares @ rewards).max())
    assert policy.space.texts[int((shares @ rewards).argmax())] == regret.static_plan
    assert regret.oracle > regret.static > regret.served


def test_against_the_oracle_it_is_never_negative(rewarded) -> None:
    _, policy, queries, shares, rewards = rewarded
    rng = np.random.default_rng(5)
    for _ in range(50):
        served = rng.dirichlet(np.full(rewards.shape[1], 0.05), len(queries))
        against_oracle, _ = regret_of(served, rewards, shares, policy.space.texts).over_a_day(1_000)
        assert against_oracle >= 0.0


def test_who_serves_the_oracle_has_none_and_earns_more_than_one_plan_for_all(rewarded) -> None:
    _, policy, _, shares, rewards = rewarded
    served = np.eye(rewards.shape[1])[rewards.argmax(axis=1)]
    against_oracle, against_static = regret_of(served, rewards, shares, policy.space.texts).over_a_day(1_000)
    assert against_oracle == 0.0
    assert against_static == pytest.approx(1_000 * ((shares @ rewards).max() - shares @ rewards.max(axis=1)), abs=1e-5)
    assert against_static < 0.0


def test_who_serves_the_best_plan_for_all_has_none_against_it(rewarded) -> None:
    _, policy, queries, shares, rewards = rewarded
    served = np.tile(np.eye(rewards.shape[1])[(shares @ rewards).argmax()], (len(queries), 1))
    assert regret_of(served, rewards, shares, policy.space.texts).over_a_day(1_000)[1] == 0.0
