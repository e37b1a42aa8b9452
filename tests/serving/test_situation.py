"""Policies with features of the situation: exact in replay; another situation is refused."""

import json
import pickle
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ltrr.artifacts.bundle import publish_bundle
from ltrr.artifacts.decision_record import record_line
from ltrr.artifacts.history import FILE, QueryHistories
from ltrr.artifacts.history_part import QueryHistory, history_part_bytes, part_name
from ltrr.artifacts.manifest import FORMAT, Manifest, PolicySettings
from ltrr.artifacts.payloads import Payload
from ltrr.artifacts.record_checks import check_decision_record
from ltrr.core.exploration import ExplorationSettings, shortlist_of
from ltrr.core.feature_groups import GROUPS, SITUATION_GROUPS
from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.hashing import bucket
from ltrr.core.planning import History, plan_values
from ltrr.core.situation import Situation
from ltrr.core.vw_text import decision_example
from ltrr.errors import ArtifactError, ConfigError, UsageError
from ltrr.evaluation.published import has_same_plans, read_planning_part
from ltrr.serving import Policy, replay
from tests.artifacts.bundles import QUERIES, SETTINGS, drawn_of, learned_bundle, looks_of

ALL = replace(SETTINGS, features=tuple(GROUPS))
NOON = datetime(2026, 3, 3, 12, 34, 56, 789_123, tzinfo=UTC)


@cache
def bandit() -> bytes:
    """A bandit trained on every group, so that each group affects the scores."""
    import vowpalwabbit

    workspace = vowpalwabbit.Workspace("--cb_adf --cb_type mtr -q qb --quiet --random_seed 5")
    random, space = np.random.default_rng(5), ALL.space
    for query in range(300):
        looks, situation = looks_of(query), situation_of(query)
        values = plan_values(space, looks, History.prior(space))
        shortlist = shortlist_of(values, 5)
        taken = int(random.integers(len(shortlist)))
        shared = shared_vector(
            *(space, looks, QUERIES[query % len(QUERIES)], "first_look", ALL.features),
            draws=float(query),
            situation=situation,
        )
        features = action_matrix(space, values, shortlist)
        label = (taken, float(random.random()), 0.2)
        workspace.learn(decision_example(space, shared, shortlist, features, label=label, groups=ALL.features))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        workspace.save(str(path))
        workspace.finish()
        return path.read_bytes()


def situation_of(query: int) -> Situation:
    context = {"device": ("phone", "tv", "fridge")[query % 3], "is_holiday": ("false", "true")[query % 2]}
    return Situation(NOON + timedelta(hours=5 * query), 60 * (query % 5 - 2), ("search", "home")[query % 2], context)


def bundle() -> tuple[Manifest, dict[str, bytes]]:
    """A bundle with every group, and a history of one query."""
    prior = History.prior(ALL.space)
    love = QueryHistory("love", History(prior.hit_rate * 2, prior.marginal_hit_rate / 3), draws=70.0)
    parts = {part_name(n): history_part_bytes([love] if n == bucket("love", 2) else [], ALL.space) for n in range(2)}
    files = {"bandit.vw": bandit(), FILE: QueryHistories.prior(ALL.space).to_bytes(), **parts}
    contents = {name: Payload.of(file) for name, file in files.items()}
    return Manifest(ALL, date(2026, 3, 2)).with_files(contents), files


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.of(*bundle())


def recorded(policy: Policy, query: int, seen: Situation, served_in: Situation | None = None) -> dict[str, object]:
    text, looks = QUERIES[query % len(QUERIES)], looks_of(query)
    choice = policy.plan(text, looks, f"i{query}", situation=seen)
    drawn = drawn_of(choice.blocks, looks)
    record = policy.record(
        impression_id=f"i{query}",
        query_text=text,
        user="u",
        session="s",
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=policy.rank(text, drawn).top(4),
        situation=served_in,
    )
    assert check_decision_record(record) == []
    return dict(json.loads(record_line(record)))


def test_replay_from_the_published_bundle_is_exact(tmp_path: Path, policy: Policy) -> None:
    version = publish_bundle(tmp_path, "search", *bundle())
    again = read_planning_part(tmp_path, "search", version).policy()
    for query in range(40):
        record = recorded(policy, query, situation_of(query), situation_of(query))
        assert replay(again, record).worst_difference == 0.0


def test_replay_detects_another_hour_or_device(policy: Policy) -> None:
    record = recorded(policy, 1, situation_of(1), situation_of(1))
    for change in ({"at": "2026-03-03T02:00:00.000Z"}, {"context": {"device": "desktop"}}, {"surface": "browse"}):
        assert not replay(policy, {**record, **change}).is_exact


@pytest.mark.parametrize(
    "other",
    [
        replace(situation_of(1), at=NOON),
        replace(situation_of(1), utc_offset_minutes=0),
        replace(situation_of(1), surface="voice"),
        replace(situation_of(1), context={}),
    ],
)
def test_plan_and_record_must_get_the_same_situation(policy: Policy, other: Situation) -> None:
    with pytest.raises(UsageError, match="is not that of its decision"):
        recorded(policy, 1, other, situation_of(1))
    plain = Policy.of(*learned_bundle())
    # A policy without features of the situation accepts any.
    assert replay(plain, recorded(plain, 1, other, situation_of(1))).worst_difference == 0.0


def test_seconds_do_not_count_and_a_time_needs_a_zone(policy: Policy) -> None:
    seen = situation_of(1)
    recorded(policy, 1, seen, replace(seen, at=seen.at and seen.at.replace(second=0)))
    with pytest.raises(UsageError, match="zone"):
        policy.plan("love", looks_of(1), "s", situation=Situation(datetime(2026, 3, 3)))  # noqa: DTZ001


def test_a_record_takes_the_situation_of_its_plan_and_needs_a_time(policy: Policy) -> None:
    seen = situation_of(1)
    assert recorded(policy, 1, seen) == recorded(policy, 1, seen, seen)
    with pytest.raises(UsageError, match=r"a decision record needs a time: i1: .* Situation\(at="):
        recorded(policy, 1, replace(seen, at=None))


def test_a_search_without_a_surface_is_planned_and_logged_as_search(policy: Policy) -> None:
    record = recorded(policy, 1, replace(situation_of(1), surface=""))
    assert record["surface"] == "search"
    assert replay(policy, record).worst_difference == 0.0


def test_history_is_that_of_the_query_where_it_has_one(policy: Policy) -> None:
    prior = History.prior(ALL.space)
    names = [feature.name for feature in ALL.shared_features]

    def shared_of(text: str) -> dict[str, float]:
        decision = policy.plan(text, looks_of(1), "s").decision
        assert decision["history"]["hit_rate"] == policy.history.of(text).hit_rate.tolist()
        return dict(zip(names, decision["shared"], strict=True))

    love, hate = shared_of("love"), shared_of("hate")
    assert (love["draws_from:50"], sum(hate[name] for name in names if name.startswith("draws_from"))) == (1.0, 0.0)
    assert love["history_first:title"] == pytest.approx(min(2 * prior.hit_rate[0, 0], 1.0), abs=1e-6)
    assert hate["history_first:title"] == pytest.approx(prior.hit_rate[0, 0], abs=1e-6)


def test_the_manifest_names_the_groups_and_old_ones_keep_their_versions() -> None:
    assert "features" not in SETTINGS.to_json()
    assert PolicySettings.of_json(SETTINGS.to_json()) == SETTINGS
    assert PolicySettings.of_json(json.loads(json.dumps(ALL.to_json()))) == ALL
    manifest = Manifest(ALL, date(2026, 3, 2))
    assert Manifest.of_bytes(manifest.to_bytes(), manifest.version).settings.features == tuple(GROUPS)
    assert manifest.version != Manifest(SETTINGS, date(2026, 3, 2)).version
    assert not has_same_plans(SETTINGS, ALL)
    assert replace(SETTINGS, features=("looks", "query")) == SETTINGS
    unknown = ALL.to_json() | {"features": ["query", "weather"]}
    with pytest.raises(ConfigError, match="weather"):
        PolicySettings.of_json(unknown)
    with pytest.raises(ArtifactError, match="features are not those"):
        PolicySettings.of_json(ALL.to_json() | {"features": ["query"]})


def test_only_readers_that_plan_by_query_may_serve_histories_of_queries(policy: Policy) -> None:
    by_class = policy.manifest.with_files({FILE: policy.manifest.files[FILE]})
    by_class = replace(by_class, settings=replace(by_class.settings, query_key_version=1))
    assert (policy.manifest.minimum_reader, by_class.minimum_reader) == (FORMAT, FORMAT - 1)


def test_exploration_depends_on_the_query_class_with_any_groups() -> None:
    exploring = ExplorationSettings(0.1, 0.2, 4, query_classes={"digits": 0.5, "long": 2.0})
    settings = replace(SETTINGS, features=("text", "time"), exploration=exploring)
    served = Policy.of(Manifest(settings, date(2026, 3, 2)), {})
    texts = {"1999": 0.1, "love": 0.2, "the lord of the rings": 0.4}
    for text, share in texts.items():
        spread = served.distribution(text, looks_of(1))
        assert spread.floor * len(settings.space) == pytest.approx(share)
        judged = served.chooser.distribution(text, np.zeros(0), served.values(text, looks_of(1)))
        np.testing.assert_array_equal(judged.dense(), spread.dense())


def test_choosers_keep_their_groups_on_executors(policy: Policy) -> None:
    chooser = pickle.loads(pickle.dumps(policy.chooser))  # noqa: S301 - our own bytes
    there = chooser.choose("love", looks_of(2), policy.history.of("love"), draws=70.0, situation=situation_of(2))
    here = policy.distribution("love", looks_of(2), situation=situation_of(2))
    np.testing.assert_array_equal(there.distribution.dense(), here.dense())
    assert frozenset({"context", "time"}) == SITUATION_GROUPS
