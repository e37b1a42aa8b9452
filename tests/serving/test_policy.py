"""A service loads, plans, ranks, records and reloads, and its log can be replayed."""

import json
import logging
import pickle
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.decision_record import block_entry, record_line
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.record_checks import check_decision_record
from ltrr.core.exploration import KINDS, ExplorationSettings
from ltrr.core.hashing import unit_interval
from ltrr.core.queries import query_key
from ltrr.core.situation import Situation
from ltrr.errors import ArtifactError, NotReadyError, UsageError
from ltrr.serving import Block, Policy, replay
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.ranker import Ranker
from tests.artifacts.bundles import (
    FIELDS,
    QUERIES,
    SETTINGS,
    bandit_bytes,
    drawn_of,
    learned_bundle,
    looks_of,
    ranker_bytes,
    valued_bundle,
)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.of(*learned_bundle())


def test_loading_follows_the_pointer(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError):
        Policy.load(tmp_path / "search")
    first = publish_bundle(tmp_path, "search", *uniform_bundle(SETTINGS, date(2026, 3, 1)))
    second = publish_bundle(tmp_path, "search", *learned_bundle())
    move_pointer(tmp_path, "search", first)
    served = Policy.load(f"{tmp_path}/search/")
    assert served.version == first
    assert served.reload() is False
    move_pointer(tmp_path, "search", second)
    pinned = served.pinned()
    assert served.reload() is True
    assert (served.version, pinned.version) == (second, first)
    assert Policy.load(tmp_path / "search", version=first).version == first


def test_an_invalid_bundle_is_refused_and_the_last_valid_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = publish_bundle(tmp_path, "search", *uniform_bundle(SETTINGS, date(2026, 3, 1)))
    move_pointer(tmp_path, "search", first)
    served = Policy.load(tmp_path / "search")
    before = served.plan("love", looks_of(1), seed="i1")
    second = publish_bundle(tmp_path, "search", *learned_bundle())
    move_pointer(tmp_path, "search", second)
    path = tmp_path / "search" / second / "bandit.vw"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with caplog.at_level(logging.WARNING):
        assert served.reload() is False
    assert "bandit.vw" in caplog.text
    assert served.version == first
    assert served.plan("love", looks_of(1), seed="i1").decision == before.decision
    with pytest.raises(ArtifactError):
        Policy.load(tmp_path / "search")
    path.write_bytes(good)
    assert served.reload() is True


def test_an_altered_manifest_is_refused(tmp_path: Path) -> None:
    """Run id and verdict do not affect the version; the pointer contains a hash of them."""
    version = publish_bundle(tmp_path, "search", *learned_bundle())
    move_pointer(tmp_path, "search", version)
    path = tmp_path / "search" / version / "manifest.json"
    path.write_text(path.read_text().replace('"run_id": "run"', '"run_id": "other"'))
    with pytest.raises(ArtifactError, match="not what its manifest says"):
        Policy.load(tmp_path / "search")


@pytest.mark.parametrize("junk", [b"", b"not a model", bandit_bytes()[:50]])
def test_a_model_that_cannot_be_read_is_an_artifact_error(junk: bytes) -> None:
    manifest, files = learned_bundle()
    with pytest.raises(ArtifactError, match=r"bandit\.vw"):
        Policy.of(manifest, {**files, "bandit.vw": junk})
    with pytest.raises(ArtifactError, match=r"ranker\.ubj"):
        Policy.of(manifest, {**files, "ranker.ubj": junk})
    with pytest.raises(ArtifactError, match="file of the query-to-entity memory is missing"):
        Policy.of(manifest, {name: data for name, data in files.items() if name != "memory-000.npz"})


def test_models_of_another_kind_are_refused() -> None:
    with pytest.raises(ArtifactError, match="--cb_adf"):
        PlanChooser(SETTINGS.space, SETTINGS.exploration, bandit_bytes("--cb_explore_adf --epsilon 0.1"))
    fewer = replace(SETTINGS, strategies=("title", "memory"))
    with pytest.raises(ArtifactError, match="other features"):
        Ranker(fewer.space, ranker_bytes())


@pytest.mark.parametrize("bundle", [learned_bundle, valued_bundle])
def test_replay_is_exact_for_every_query(bundle) -> None:
    policy, online = Policy.of(*bundle()), Policy.of(*bundle())
    manifest, files = bundle()
    # A replay has neither the memory nor the catalogue: what they said is in the record.
    there = Policy.of(manifest, {name: file for name, file in files.items() if not name.startswith("memory")})
    for query in range(60):
        text, looks = (
            QUERIES[query % len(QUERIES)],
            [*looks_of(query), *recalled(policy, QUERIES[query % len(QUERIES)])],
        )
        choice = online.plan(text, looks, seed=f"i{query}", fields=FIELDS)
        drawn = drawn_of(choice.blocks, looks)
        record = policy.record(
            impression_id=f"i{query}",
            situation=Situation(datetime(2026, 3, 3, tzinfo=UTC)),
            query_text=text,
            user="u",
            session="s",
            looks=looks,
            choice=choice,
            drawn=drawn,
            slate=policy.rank(text, drawn).top(4),
            fields=FIELDS,
        )
        record = json.loads(record_line(record))
        assert check_decision_record(record) == []
        again = replay(there, record)
        assert again.worst_difference == 0.0
        assert again.is_exact
        assert again.propensity == choice.propensity


def recalled(policy: Policy, text: str) -> list[Block]:
    """The second block of the memory, which needs no request."""
    found = policy.recall(text, 4)[2:]
    return [Block("memory", 2, "ok" if found else "empty", tuple(e for e, _ in found), tuple(s for _, s in found))]


@pytest.mark.parametrize(("kind", "weight"), [*((kind, 1.0) for kind in KINDS), ("softmax", 0.5), ("softmax", 0.0)])
def test_every_kind_and_query_class_is_replayed_exactly(kind: str, weight: float) -> None:
    classes = {"one_word": 2.0, "long": 0.5}
    exploring = ExplorationSettings(0.05, 0.2, 5, kind=kind, gamma=20.0, query_classes=classes, score_weight=weight)
    manifest, files = learned_bundle()
    explored = Policy.of(replace(manifest, settings=replace(SETTINGS, exploration=exploring)), files)
    floors = set()
    for text in QUERIES:
        looks = looks_of(len(text))
        choice = explored.plan(text, looks, seed=text)
        record = {
            "impression_id": "i",
            "policy_version": explored.version,
            "query_text": text,
            "looks": [block_entry(look, SETTINGS.block_size) for look in looks],
            "decisions": [choice.decision],
        }
        assert replay(explored, record).worst_difference == 0.0
        # And a judge gets it from what the log holds: shared features and planner values.
        chooser = PlanChooser(SETTINGS.space, exploring, files["bandit.vw"])
        shared = np.array(choice.decision["shared"])
        judged = chooser.distribution(query_key(text), shared, explored.values(text, looks))
        assert judged.dense().tolist() == choice.distribution.dense().tolist()
        floors.add(choice.distribution.floor * len(SETTINGS.space))
    assert {round(floor, 12) for floor in floors} == {0.1, 0.2, 0.4}


def test_replay_detects_a_changed_record(policy: Policy) -> None:
    choice = policy.plan("love", looks_of(3), seed="i")
    record = {
        "impression_id": "i",
        "policy_version": policy.version,
        "query_text": "love",
        "looks": [],
        "decisions": [choice.decision],
    }
    assert not replay(policy, record).is_exact
    with pytest.raises(UsageError, match="did not make this decision"):
        replay(policy, {**record, "policy_version": "2026-03-01-000000000000"})


def test_one_seed_one_plan_and_seeds_follow_the_distribution(policy: Policy) -> None:
    looks = looks_of(4)
    spread = policy.distribution("love", looks)
    assert spread.dense().sum() == pytest.approx(1.0, abs=1e-12)
    drawn = [policy.plan("love", looks, seed=f"seed-{n}").plan_index for n in range(3_000)]
    assert drawn == [spread.sample(unit_interval(f"seed-{n}", "plan")) for n in range(3_000)]
    frequencies = np.bincount(drawn, minlength=len(policy.space)) / len(drawn)
    # Four standard errors of the likeliest plan.
    np.testing.assert_allclose(frequencies, spread.dense(), atol=4 * 0.5 / np.sqrt(3_000))


def test_greedy_draws_the_plan_of_the_best_score(policy: Policy) -> None:
    for query in range(20):
        looks = looks_of(query)
        greedy = policy.greedy("love", looks)
        assert greedy.plan_index == policy.distribution("love", looks).best()
        assert greedy.propensity == 1.0
        assert "memory" in greedy.action or all(
            "memory" not in entry["action"] for entry in greedy.decision["shortlist"]
        )


def test_the_uniform_bundle_draws_all_plans_alike_and_logs_a_shortlist() -> None:
    manifest, _ = uniform_bundle(SETTINGS, date(2026, 3, 1))
    uniform = Policy.of(manifest, {})
    choice = uniform.plan("love", looks_of(2), seed="i1")
    np.testing.assert_allclose(choice.distribution.dense(), 1 / len(uniform.space), rtol=1e-12)
    assert len(choice.decision["shortlist"]) == SETTINGS.exploration.shortlist_size
    assert uniform.recall("love", 5) == []


def test_without_a_bandit_the_planner_decides() -> None:
    explore = ExplorationSettings(temperature=0.0, floor_share=0.0, shortlist_size=4)
    plain = Policy.of(Manifest(replace(SETTINGS, exploration=explore), date(2026, 3, 1)), {})
    looks = looks_of(5)
    assert plain.plan("love", looks, "seed").plan_index == int(np.argmax(plain.values("love", looks)))


@given(st.integers(0, 500), st.data())
@settings(max_examples=40)
def test_the_page_does_not_depend_on_the_order_of_draws(query: int, data: st.DataObject) -> None:
    served = Policy.of(*learned_bundle()) if query % 2 else Policy.of(learned_bundle()[0], {})
    looks = looks_of(query)
    blocks = served.space.blocks(data.draw(st.integers(0, len(served.space) - 1)))
    drawn = drawn_of(blocks, looks)
    page = served.rank("love", drawn)
    again = served.rank("love", data.draw(st.permutations(drawn)))
    assert page.entity_ids == again.entity_ids
    np.testing.assert_array_equal(page.features, again.features)


def test_many_pages_are_ranked_as_one_by_one(policy: Policy) -> None:
    pages = [(QUERIES[n % len(QUERIES)], drawn_of((("title", 1), ("memory", 2)), looks_of(n))) for n in range(30)]
    pages.append(("nothing", [Block("title", 1, "empty")]))
    for (text, drawn), slate in zip(pages, policy.rank_many(pages), strict=True):
        alone = policy.rank(text, drawn)
        assert slate.entity_ids == alone.entity_ids
        np.testing.assert_array_equal(slate.features, alone.features)
    assert policy.rank_many([]) == []
    assert policy.rank("nothing", []).entity_ids == ()


def test_recall_takes_the_query_as_typed(policy: Policy) -> None:
    assert policy.recall(" The MATRIX!", 5) == [("e2", 0.75), ("e1", 0.5)]
    assert [entity_id for entity_id, _ in policy.recall("bad guy", 5)] == ["e4", "e5"]
    assert policy.recall("never typed", 5) == []


def test_history_is_that_of_the_query_class(policy: Policy) -> None:
    plain = policy.plan("love", looks_of(1), "s").decision["history"]["hit_rate"]
    digits = policy.plan("1999", looks_of(1), "s").decision["history"]["hit_rate"]
    np.testing.assert_allclose(np.array(digits), np.array(plain) / 2, atol=1e-6)


@pytest.mark.parametrize(
    "look",
    [
        Block("semantic", 1, "empty"),
        Block("title", 2, "ok", ("e1",), (1.0,)),
        Block("title", 1, "ok", ("e1", "e2", "e3"), (3.0, 2.0, 1.0)),
    ],
)
def test_looks_that_the_policy_may_not_see_are_refused(policy: Policy, look: Block) -> None:
    with pytest.raises(UsageError, match="cannot use"):
        policy.plan("love", [look], "seed")


def test_choosers_and_rankers_can_be_pickled(policy: Policy) -> None:
    chooser = pickle.loads(pickle.dumps(policy.chooser))  # noqa: S301 - our own bytes
    ranker = pickle.loads(pickle.dumps(Ranker(SETTINGS.space, ranker_bytes())))  # noqa: S301
    looks = looks_of(8)
    history = policy.history.of("love")
    there = chooser.choose("love", looks, history)
    np.testing.assert_array_equal(there.distribution.dense(), policy.distribution("love", looks).dense())
    logged = chooser.distribution("love", there.shared, there.values)
    np.testing.assert_array_equal(logged.dense(), there.distribution.dense())
    assert ranker.rank("love", looks).entity_ids == policy.rank("love", looks).entity_ids
