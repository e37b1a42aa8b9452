"""The bandit finds the best plans, and the same rows give the same bytes."""

import numpy as np
import pytest

from ltrr.bandit.learning import list_vw_arguments, train_bandit
from ltrr.bandit.settings import BanditSettings
from ltrr.bandit.training_rows import (
    only_capped,
    only_of_space,
    only_of_versions,
    only_training_users,
    to_training_parts,
)
from ltrr.core.plans import PlanSpace
from tests.bandit.planted import OBSERVE, SPACE, WANTED, chosen, expected_reward, frame_of, logged, value_of

UNIFORM = float(np.mean([expected_reward(kind, plan) for kind in WANTED for plan in range(len(SPACE))]))


@pytest.fixture(scope="module")
def uniform_log():
    return logged(3_000)


@pytest.fixture(scope="module")
def settings():
    return BanditSettings(partitions=2)


@pytest.mark.spark
@pytest.mark.statistical
def test_recovers_the_planted_best_plan_of_every_class_from_uniform_logs(spark, uniform_log, settings):
    trained = train_bandit(frame_of(spark, uniform_log), SPACE, OBSERVE, settings)
    # Each class and plan is logged about 167 times. The best plan is worth .9, the next .5: a
    # difference of .4 with a standard error of sqrt((.09 + .25) / 167) = .045 were each plan
    # estimated by itself. Nine standard errors.
    assert chosen(trained.model) == {kind: f"{strategy}:2" for kind, strategy in WANTED.items()}
    assert trained.decisions == 3_000
    assert np.isfinite(trained.progressive_loss)


@pytest.mark.spark
@pytest.mark.statistical
def test_flipped_rewards_give_a_policy_worse_than_uniform(spark, settings):
    flipped = train_bandit(frame_of(spark, logged(3_000, flip=True)), SPACE, OBSERVE, settings)
    assert value_of(flipped.model) < UNIFORM - 0.2


@pytest.mark.spark
def test_the_same_rows_give_the_same_bytes_in_any_order(spark, uniform_log, settings):
    rows = frame_of(spark, uniform_log[:600])
    once = train_bandit(rows, SPACE, OBSERVE, settings)
    shuffled = rows.repartition(5, "action_taken").orderBy("found_reward")
    again = train_bandit(shuffled, SPACE, OBSERVE, settings)
    assert once == again


@pytest.mark.spark
@pytest.mark.statistical
def test_merged_parts_are_no_worse_than_one_pass(spark, uniform_log):
    rows = frame_of(spark, uniform_log)
    in_one, *merged = [
        value_of(train_bandit(rows, SPACE, OBSERVE, BanditSettings(partitions=parts)).model) for parts in (1, 2, 4)
    ]
    assert min(merged) >= in_one - 0.01


@pytest.mark.spark
def test_many_parts_are_merged_by_tree(spark, uniform_log):
    settings = BanditSettings(partitions=5)
    rows = frame_of(spark, uniform_log)
    flat = train_bandit(rows, SPACE, OBSERVE, settings)
    tree = train_bandit(rows, SPACE, OBSERVE, settings, merged_at_once=2)
    # 5 parts -> 3 -> 2 models, merged on the driver; nothing is counted twice or lost.
    assert (tree.decisions, tree.parts) == (flat.decisions, flat.parts)
    assert tree.progressive_loss == pytest.approx(flat.progressive_loss)
    assert chosen(tree.model) == chosen(flat.model)
    assert train_bandit(rows, SPACE, OBSERVE, settings, merged_at_once=2).model == tree.model


@pytest.mark.spark
def test_no_rows_no_model(spark, uniform_log, settings):
    assert train_bandit(frame_of(spark, []), SPACE, OBSERVE, settings) is None


@pytest.mark.spark
def test_a_part_is_a_partition_and_a_query_is_in_one_part(spark, uniform_log):
    parts = to_training_parts(frame_of(spark, uniform_log[:500]), 4)
    assert parts.rdd.getNumPartitions() == 4
    seen = parts.rdd.mapPartitionsWithIndex(
        lambda index, rows: [(index, row["part"], row["query_key"]) for row in rows]
    ).collect()
    assert all(index == part for index, part, _ in seen)
    assert len({(part, key) for _, part, key in seen}) == len({key for _, _, key in seen})


@pytest.mark.spark
def test_hot_queries_are_capped_by_hash_and_date(spark, uniform_log):
    rows = frame_of(spark, uniform_log)
    kept = only_capped(rows, 20)
    counts = {row["query_key"]: row["count"] for row in kept.groupBy("query_key").count().collect()}
    assert set(counts.values()) == {20}
    assert len(counts) == rows.select("query_key").distinct().count()
    ids = {row["impression_id"] for row in kept.collect()}
    assert ids == {row["impression_id"] for row in only_capped(rows.repartition(7), 20).collect()}


@pytest.mark.spark
def test_only_training_users_of_this_space_are_learned_from(spark, uniform_log):
    rows = frame_of(spark, uniform_log[:300])
    folds = {row["user_fold"] for row in only_training_users(rows, 30).collect()}
    assert min(folds) >= 30
    other = PlanSpace(("people", "popular", "memory"), block_size=2, budget=2)
    left = only_of_space(rows, other, OBSERVE)
    assert 0 < left.count() == rows.where("NOT exists(actions, a -> a.action LIKE '%title%')").count() < 300
    assert only_of_space(rows, SPACE, "first_look").count() == 0
    assert only_of_versions(rows, ["v0", "v1"]).count() == 300
    assert only_of_versions(rows, ["v0"]).count() == only_of_versions(rows, []).count() == 0


def test_each_interaction_is_an_option():
    arguments = list_vw_arguments(BanditSettings(interactions=("qb",), learning_rate=0.5, hash_bits=20))
    assert arguments[-2:] == ["--interactions", "qb"]
    assert arguments[arguments.index("--bit_precision") + 1] == "20"
