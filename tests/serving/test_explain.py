"""An explanation has the numbers of the choice, and contributions add up to the predictions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from math import isnan

import numpy as np
import pytest

from ltrr.artifacts.bundle import uniform_bundle
from ltrr.core.planning import Block
from ltrr.core.queries import query_key
from ltrr.core.situation import UNKNOWN_SITUATION, Situation
from ltrr.core.text_overlap import text_overlap
from ltrr.core.vw_text import features_of, without_feature
from ltrr.errors import UsageError
from ltrr.serving.contributions import bandit_effects
from ltrr.serving.explain import UNSEEN, explain, recalled_blocks
from ltrr.serving.policy import Policy
from tests.artifacts.bundles import FIELDS, QUERIES, SETTINGS, learned_bundle, looks_of, valued_bundle

SPACE = SETTINGS.space
KINDS = {
    "uniform": lambda: uniform_bundle(SETTINGS, date(2026, 3, 1)),
    "learned": learned_bundle,
    "valued": valued_bundle,
}


def overlaps_of(query: str) -> dict[str, tuple[float, ...]]:
    return {entity_id: text_overlap(query_key(query), fields) for entity_id, fields in FIELDS.items()}


@pytest.fixture(params=KINDS)
def policy(request) -> Policy:
    return Policy.of(*KINDS[request.param]())


@pytest.fixture
def valued() -> Policy:
    return Policy.of(*valued_bundle())


def test_an_explanation_has_the_numbers_of_the_choice(policy) -> None:
    for number, query in enumerate(QUERIES):
        looks = looks_of(number)
        choice = policy.plan(query, looks, seed="i1", fields=FIELDS)
        explained = explain(policy, query, looks, overlaps_of(query))
        spread = choice.distribution
        assert {plan.plan: plan.propensity for plan in explained.plans} == {
            SPACE.text(index): p
            for index, p in zip(spread.shortlist.tolist(), spread.probabilities.tolist(), strict=True)
        }
        assert (explained.floor, explained.version) == (spread.floor, choice.version)
        assert explained.plans[0].plan == policy.greedy(query, looks, FIELDS).action
        total = sum(plan.propensity for plan in explained.plans) + explained.other_plans * explained.floor
        assert total == pytest.approx(1.0, abs=1e-12)
        values = policy.values(query, looks, FIELDS)
        assert [plan.value for plan in explained.plans] == [values[SPACE.index(plan.plan)] for plan in explained.plans]


def test_every_block_has_a_row_and_the_best_plan_draws_blocks_with_a_gain(policy) -> None:
    looks = looks_of(1)
    explained = explain(policy, "love", looks)
    assert [(row.strategy, row.depth) for row in explained.blocks] == [
        (name, depth) for name in SPACE.strategies for depth in range(1, SPACE.budget + 1)
    ]
    assert {row.status for row in explained.blocks if row.depth > 1} == {UNSEEN}
    best = int(np.argmax(policy.values("love", looks)))
    for row in explained.blocks:
        if row.gain > 0.0:
            assert (row.strategy, row.depth) in SPACE.blocks(best)
        assert (row.hit_rate is None) == (policy.manifest.values is not None)
    assert len(explained.candidates) == sum(len(block.entity_ids) for block in looks)


def test_candidates_are_shown_before_and_after_the_evidence_of_the_bundle(valued) -> None:
    explained = explain(valued, "the matrix")
    rows = {row.entity_id: row for row in explained.candidates}
    assert {name: (row.clicks, row.examinations) for name, row in rows.items()} == {"e1": (1.5, 3.0), "e2": (6.0, 8.1)}
    for row in rows.values():
        strength = valued.manifest.values.strength
        expected = (row.clicks + strength * row.predicted) / (row.examinations + strength)
        assert row.value == pytest.approx(expected, abs=1e-12)
    memory = [row for row in explained.blocks if row.strategy == "memory"]
    assert [row.status for row in memory] == ["ok", "empty", "empty"]
    assert memory[0].value == pytest.approx(sum(row.value for row in rows.values()))


def test_a_note_says_that_no_look_is_known(policy) -> None:
    explained = explain(policy, "never searched")
    assert explained.notes[0].startswith("no look of this query is known")
    assert {row.status for row in explained.blocks} == {UNSEEN, "empty"}
    assert explained.plans == explain(policy, "never searched", recalled_blocks(policy, "never searched")).plans
    assert not any(note.startswith("no look") for note in explain(policy, "love", looks_of(1)).notes)


def test_without_bandit_or_values_their_parts_are_empty() -> None:
    uniform = explain(Policy.of(*KINDS["uniform"]()), "love", looks_of(1))
    assert (uniform.effects, uniform.contributions) == ((), ())
    assert [row.value for row in uniform.blocks] == [None] * len(uniform.blocks)
    assert any(note.startswith("every plan is equally likely") for note in uniform.notes)
    learned = explain(Policy.of(*learned_bundle()), "love", looks_of(1))
    assert learned.effects
    assert learned.contributions == ()


def test_a_feature_without_a_weight_moves_nothing_and_the_memory_moves_the_choice() -> None:
    policy = Policy.of(*learned_bundle())
    # The bandit was never trained on a query of three words, and learned that the memory is useful.
    explained = explain(policy, "bad guy remix", looks_of(4))
    effects = {(row.namespace, row.feature): row for row in explained.effects}
    never = effects["q", "class=three_words"]
    assert (never.best, never.runner_up, never.difference) == (0.0, 0.0, 0.0)
    assert max(abs(row.best) for name, row in effects.items() if name[1].startswith("memory_")) > 0.02
    assert all(row.difference == row.best - row.runner_up for row in explained.effects)
    assert [row.feature == "" for row in explained.effects[:3]] == [True] * 3


def test_an_effect_is_the_score_less_the_score_without_the_feature() -> None:
    policy = Policy.of(*learned_bundle())
    choice = policy.choose("love", looks_of(1))
    chooser, shortlist = policy.chooser, choice.distribution.shortlist
    whole = chooser.example(choice.shared, shortlist, choice.features)
    # Scores of two plans and of all plans together are equal.
    for effect in bandit_effects(chooser, choice, [2, 0]):
        without = chooser.scores_of(without_feature(whole, effect.namespace, effect.feature or None))
        expected = (choice.scores - without)[[2, 0]]
        assert (effect.best, effect.runner_up) == tuple(expected.tolist())
    assert features_of(without_feature(whole, "b")) == [name for name in features_of(whole) if name[0] != "b"]


def test_contributions_add_up_to_the_prediction(valued) -> None:
    looks, key = looks_of(2), query_key(QUERIES[2])
    valuer = valued.chooser.valuer
    seen = valuer.candidates(key, looks, {})
    added = valuer.contributions(key, seen.features)
    np.testing.assert_allclose(1.0 / (1.0 + np.exp(-added.sum(axis=1))), seen.predicted, atol=1e-5)
    explained = explain(valued, QUERIES[2], looks)
    best = max(explained.candidates, key=lambda row: row.value)
    assert explained.contributions[0].entity_id == best.entity_id
    for entity_id in {row.entity_id for row in explained.contributions}:
        sizes = [abs(row.log_odds) for row in explained.contributions if row.entity_id == entity_id]
        whole = np.sort(np.abs(added[seen.entity_ids.index(entity_id), :-1]))[::-1]
        np.testing.assert_allclose(sizes, whole[:5], atol=1e-6)


def test_a_policy_that_uses_the_time_is_explained_at_that_time() -> None:
    manifest, files = learned_bundle()
    settings = replace(SETTINGS, features=("query", "looks", "time"))
    policy = Policy.of(replace(manifest, settings=settings), files)
    at = Situation(datetime(2026, 3, 7, 12, tzinfo=UTC))
    explained = [explain(policy, "love", looks_of(1), situation=situation) for situation in (UNKNOWN_SITUATION, at)]
    assert [any(note.startswith("no time and place") for note in one.notes) for one in explained] == [True, False]
    weekdays = [{row.feature for row in one.effects if "saturday" in row.feature} for one in explained]
    assert [len(names) for names in weekdays] == [0, 1]


def test_looks_of_another_policy_are_refused(policy) -> None:
    with pytest.raises(UsageError, match="a look that this policy cannot use: semantic:1"):
        explain(policy, "love", [Block("semantic", 1, "empty")])


def test_a_block_of_every_plan_has_no_gain() -> None:
    alone = replace(SETTINGS, strategies=("title",))
    explained = explain(Policy.of(*uniform_bundle(alone, date(2026, 3, 1))), "love", [])
    assert all(isnan(row.gain) for row in explained.blocks)
