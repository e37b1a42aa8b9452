"""Groups of entity features: registered, named by a policy or by learned values, and served."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import xgboost

from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.learned_values import LearnedValues, StoredValues, block_value_file
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.bandit.values import ValueSettings, fit_candidate_value
from ltrr.core.candidate_features import candidate_features, candidate_matrix
from ltrr.core.entity_groups import (
    CANDIDATE_GROUPS,
    DEFAULT_CANDIDATE_GROUPS,
    DEFAULT_RANKER_GROUPS,
    RANKER_GROUPS,
    EntityGroup,
    Rows,
)
from ltrr.core.entity_union import EntityUnion
from ltrr.core.features import PLACES
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.core.ranker_features import ranker_features, ranker_matrix
from ltrr.core.text_overlap import NO_OVERLAP, EntityFields, text_overlap
from ltrr.errors import ArtifactError, ConfigError
from ltrr.evaluation.published import has_same_plans, list_plan_differences, list_same_plan_versions
from ltrr.serving import Policy, Situation
from tests.artifacts.bundles import QUERIES, SETTINGS, looks_of, valued_bundle

SPACE = PlanSpace(("title", "memory"), block_size=2, budget=2)
DRAWN = [Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("memory", 1, "ok", ("e1", "e3"), (0.5, 0.4))]
WITH_TOY = (*DEFAULT_RANKER_GROUPS, "first_places")


def first_places(union: EntityUnion) -> Rows:
    return [[float(ranks.count(1))] for ranks in union.sorted_ranks]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A group of one feature, registered in both lists."""
    group = EntityGroup(lambda _: [("first_places", "strategies that rank it first")], first_places)
    for registry in (RANKER_GROUPS, CANDIDATE_GROUPS):
        monkeypatch.setitem(registry, "first_places", group)
    return "first_places"


def ranker_on_last_column(groups: tuple[str, ...]) -> bytes:
    """A booster that orders entities by the last feature of these groups, higher first."""
    columns = len(ranker_features(SPACE, groups))
    features = np.random.default_rng(6).random((400, columns)) * 2.0
    matrix = xgboost.DMatrix(features, label=features[:, -1])
    return bytes(xgboost.train({"max_depth": 3, "nthread": 1, "seed": 6}, matrix, 20).save_raw("ubj"))


def publish(root: Path, groups: tuple[str, ...]) -> Policy:
    settings = PolicySettings("search", SPACE.strategies, SPACE.block_size, SPACE.budget, ranker_groups=groups)
    manifest = Manifest(settings, date(2026, 3, 2))
    move_pointer(
        root, "search", publish_bundle(root, "search", manifest, {"ranker.ubj": ranker_on_last_column(groups)})
    )
    return Policy.load(root / "search")


def test_the_default_groups_come_first() -> None:
    assert tuple(RANKER_GROUPS)[: len(DEFAULT_RANKER_GROUPS)] == DEFAULT_RANKER_GROUPS
    assert tuple(CANDIDATE_GROUPS)[: len(DEFAULT_CANDIDATE_GROUPS)] == DEFAULT_CANDIDATE_GROUPS


def test_a_second_group_is_declared_and_computed(toy: str) -> None:
    assert ranker_features(SPACE, WITH_TOY)[:-1] == ranker_features(SPACE)
    assert ranker_features(SPACE, WITH_TOY)[-1].name == "first_places"
    entity_ids, matrix = ranker_matrix(SPACE, DRAWN, "love", WITH_TOY)
    assert dict(zip(entity_ids, matrix[:, -1].tolist(), strict=True)) == {"e1": 2.0, "e2": 0.0, "e3": 0.0}
    np.testing.assert_array_equal(matrix[:, :-1], ranker_matrix(SPACE, DRAWN, "love")[1])
    groups = (*DEFAULT_CANDIDATE_GROUPS, toy)
    assert candidate_features(SPACE, groups)[-1].name == "first_places"
    # Ranks in the memory are no candidate feature.
    assert candidate_matrix(SPACE, DRAWN, "love", {}, groups)[1][:, -1].tolist() == [1.0, 0.0, 0.0]


def test_a_bundle_trained_without_a_new_group_is_served_as_before(tmp_path: Path, toy: str) -> None:
    del RANKER_GROUPS[toy]
    before = publish(tmp_path, DEFAULT_RANKER_GROUPS).rank("love", DRAWN)
    RANKER_GROUPS[toy] = CANDIDATE_GROUPS[toy]
    after = Policy.load(tmp_path / "search")
    assert "first_places" not in {feature.name for feature in after.manifest.settings.ranker_features}
    assert after.rank("love", DRAWN).entity_ids == before.entity_ids
    np.testing.assert_array_equal(after.rank("love", DRAWN).features, before.features)


def test_a_bundle_that_declares_a_new_group_is_served_with_it(tmp_path: Path, toy: str) -> None:
    policy = publish(tmp_path, WITH_TOY)
    assert policy.manifest.settings.ranker_features[-1].name == "first_places"
    slate = policy.rank("love", DRAWN[::-1])
    assert slate.entity_ids[0] == "e1"
    assert slate.features[:, -1].tolist() == [2.0, 0.0, 0.0]
    looks, situation = [DRAWN[0]], Situation(datetime(2026, 3, 3, tzinfo=UTC))
    record = policy.record(
        impression_id="i1",
        query_text="love",
        user="u1",
        session="s1",
        looks=looks,
        choice=policy.plan("love", looks, seed="i1"),
        drawn=DRAWN,
        slate=slate,
        situation=situation,
    )
    assert record["slate"][0]["features"][-1] == 2.0


def test_a_ranker_with_overlaps_uses_the_fields_that_the_service_gives(tmp_path: Path) -> None:
    policy = publish(tmp_path, (*DEFAULT_RANKER_GROUPS, "overlaps"))
    fields = {"e2": EntityFields("Love", popularity=5.0), "e1": EntityFields("Hate", popularity=1.0)}
    slate = policy.rank("love", DRAWN, fields)
    key_version = policy.manifest.settings.query_key_version
    first = len(ranker_features(SPACE))
    for entity_id, values in zip(slate.entity_ids, slate.features, strict=True):
        known = text_overlap("love", fields[entity_id], key_version) if entity_id in fields else NO_OVERLAP
        np.testing.assert_array_equal(values[first:], np.round(known, PLACES))
        plain = ranker_matrix(SPACE, DRAWN, "love")
        np.testing.assert_array_equal(values[:first], plain[1][plain[0].index(entity_id)])
    # The booster orders by the last feature, the popularity.
    assert slate.entity_ids.index("e2") < slate.entity_ids.index("e1")
    logged = [{name: text_overlap("love", one, key_version) for name, one in fields.items()}]
    (again,) = policy.rank_many([("love", DRAWN)], overlaps=logged)
    np.testing.assert_array_equal(again.features, slate.features)
    without = policy.rank("love", DRAWN)
    np.testing.assert_array_equal(without.features[:, first:], [NO_OVERLAP] * len(without.entity_ids))


def test_a_bundle_whose_group_this_ltrr_does_not_know_is_refused(tmp_path: Path, toy: str) -> None:
    publish(tmp_path, WITH_TOY)
    del RANKER_GROUPS[toy]
    with pytest.raises(ArtifactError, match="some of listings, query, strategies, overlaps, each at most once"):
        Policy.load(tmp_path / "search")


def test_a_bundle_whose_group_computes_other_features_is_refused(
    tmp_path: Path, toy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, WITH_TOY)
    other = EntityGroup(lambda _: [("last_places", "strategies that rank it last")], first_places)
    monkeypatch.setitem(RANKER_GROUPS, toy, other)
    with pytest.raises(ArtifactError, match="ranker_features"):
        Policy.load(tmp_path / "search")


def test_the_same_groups_are_the_same_policy(toy: str) -> None:
    settings = replace(SETTINGS, ranker_groups=WITH_TOY[::-1])
    assert settings == replace(SETTINGS, ranker_groups=list(WITH_TOY))
    assert "ranker_groups" not in SETTINGS.to_json()
    assert PolicySettings.of_json(settings.to_json()) == settings


def test_pages_of_other_ranker_groups_are_no_training_data(tmp_path: Path, toy: str) -> None:
    settings, other = replace(SETTINGS, ranker_groups=WITH_TOY), SETTINGS
    versions = [publish_bundle(tmp_path, "search", *uniform_bundle(one, date(2026, 3, 1))) for one in (settings, other)]
    assert list_same_plan_versions(tmp_path, "search", versions, settings) == versions[:1]
    assert list_same_plan_versions(tmp_path, "search", versions, other) == versions[1:]


def test_other_ranker_groups_under_the_same_name_are_a_named_difference() -> None:
    """A night with such settings ends with exit code 2 instead of learning from no page."""
    other = replace(SETTINGS, ranker_groups=("listings", "query"))
    assert not has_same_plans(other, SETTINGS)
    assert list_plan_differences(other, SETTINGS) == ["ranker_groups listings query, not listings query strategies"]


def test_learned_values_are_computed_from_their_own_groups(toy: str) -> None:
    manifest, files = valued_bundle()
    plain = Policy.of(manifest, files)
    groups = (*DEFAULT_CANDIDATE_GROUPS, toy)
    random = np.random.default_rng(7)
    rows = random.random((300, len(candidate_features(SETTINGS.space, groups))), np.float32)
    model = fit_candidate_value(rows, random.random(300), np.ones(300), np.ones(300), ValueSettings(candidate_rounds=8))
    values = LearnedValues(2, 3.0, groups)
    with_toy = Policy.of(replace(manifest, values=values), files | {block_value_file(f): model for f in range(2)})
    for query, text in enumerate(QUERIES):
        looks = looks_of(query)
        assert len(with_toy.values(text, looks)) == len(plain.values(text, looks)) == len(SETTINGS.space)
    with pytest.raises(ArtifactError, match="trained on other features"):
        Policy.of(replace(manifest, values=values), files)
    written = manifest.with_files({}).to_bytes()
    assert b'"groups"' not in written
    read = LearnedValues.of_json(values.to_json(SETTINGS.space), SETTINGS.space)
    assert read == values
    stored = StoredValues(values, {"block_value-0.ubj": "00ff"})
    assert StoredValues.of_note(stored.to_note()) == stored


def test_groups_that_cannot_be_served_are_refused(toy: str) -> None:
    with pytest.raises(ConfigError, match="some of listings, query, strategies, overlaps, first_places"):
        replace(SETTINGS, ranker_groups=("listings", "weather"))
    with pytest.raises(ConfigError, match="each at most once"):
        replace(SETTINGS, ranker_groups=("listings", "listings"))
    with pytest.raises(ConfigError, match="listings among the groups"):
        replace(SETTINGS, ranker_groups=("query",))
    with pytest.raises(ConfigError, match="first listings, query, strategies, overlaps, relative"):
        candidate_features(SPACE, (toy, *DEFAULT_CANDIDATE_GROUPS))


def test_an_empty_union_has_no_rows() -> None:
    for matrix in (
        ranker_matrix(SPACE, [Block("title", 1, "empty")], "love")[1],
        candidate_matrix(SPACE, [], "love", {})[1],
    ):
        assert len(matrix) == 0
    manifest, _ = uniform_bundle(SETTINGS, date(2026, 3, 1))
    assert Policy.of(manifest, {}).rank("love", []).entity_ids == ()
