"""Serving computes keys with the version of its bundle, and serves nothing for the empty key."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ltrr.artifacts.decision_record import record_line
from ltrr.artifacts.history import QueryHistories
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.memory_part import MemoryEntry, memory_part_bytes
from ltrr.core.situation import Situation
from ltrr.core.text_overlap import EntityFields, text_overlap
from ltrr.evaluation.published import has_same_plans, list_plan_differences
from ltrr.serving import Block, Policy, replay
from ltrr.serving.memory import Memory
from tests.artifacts.bundles import SETTINGS, learned_bundle

NOW = Situation(at=datetime(2026, 3, 2, 12, tzinfo=UTC))
MEMORY = memory_part_bytes(
    [(key, [MemoryEntry(f"of {key!r}", 0.5, 1.5, 3.0)]) for key in ("", "c", "c#", "c plus", "naïve")]
)
TITLES = {"e1": EntityFields("C# in Depth"), "e2": EntityFields("C in Depth")}


def policy_of(version: int) -> Policy:
    manifest, files = learned_bundle()
    settings = replace(manifest.settings, query_key_version=version)
    others = {name: data for name, data in files.items() if not name.startswith("memory-")}
    return Policy.of(replace(manifest, settings=settings), {**others, "memory-000.npz": MEMORY})


@pytest.mark.parametrize(("version", "key"), [(1, "c"), (2, "c#")])
def test_a_service_computes_the_key_of_its_bundle(version: int, key: str) -> None:
    policy = policy_of(version)
    assert policy.key("C#") == key
    assert policy.recall("C#", 5) == [(f"of {key!r}", 0.5)]
    assert Policy.of(policy.manifest, {}).recall("C#", 5) == []
    assert policy.evidence("C#") == {f"of {key!r}": (1.5, 3.0)}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("query", ["C#", "!!!", "", "party \ud83d", "İstanbul 100%", "x" * 10_000])
def test_a_record_of_either_version_replays_exactly(version: int, query: str) -> None:
    policy = policy_of(version)
    first, second = SETTINGS.strategies[:2]
    looks = [Block(first, 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block(second, 1, "empty")]
    choice = policy.plan(query, looks, "i1", TITLES, situation=NOW)
    drawn = [Block(strategy, depth, "ok", ("e1",), (1.0,)) for strategy, depth in choice.blocks]
    record = policy.record(
        impression_id="i1",
        query_text=query,
        user="u1",
        session="s1",
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=policy.rank(query, drawn),
        fields=TITLES,
    )
    record_line(record)
    assert replay(policy, record).worst_difference <= 1e-6
    overlaps = {result["entity_id"]: result["overlap"] for look in record["looks"] for result in look["results"]}
    expected = {name: text_overlap(policy.key(query), fields, version) for name, fields in TITLES.items()}
    for name, overlap in expected.items():
        assert overlaps[name] == [None if number != number else number for number in overlap]


def test_the_fields_of_an_entity_are_read_in_the_version_of_the_key() -> None:
    names = ("title_query_share", "title_share", "title_equal")
    sharp, plain = (text_overlap("c#", fields)[: len(names)] for fields in TITLES.values())
    assert (sharp[0], plain[0]) == (1.0, 0.0)
    old = [text_overlap("c", fields, version=1)[0] for fields in TITLES.values()]
    assert old == [1.0, 1.0]


def test_a_long_description_is_compared_as_a_whole() -> None:
    long = EntityFields("t", description="word " * 500 + "halo")
    assert dict(zip(range(14), text_overlap("halo", long), strict=True))[7] == 1.0


@pytest.mark.parametrize("version", [1, 2])
def test_the_empty_query_has_no_memory(version: int) -> None:
    """Also in a bundle that an earlier ltrr published, which may contain the empty key."""
    policy = policy_of(version)
    for query in ("", "  ", "\u200b\x00"):
        assert policy.recall(query, 5) == []
        assert policy.evidence(query) == {}
    memory = Memory.of_files({"memory-000.npz": MEMORY})
    assert memory.recall("", 5) == [] != memory.recall("c", 5)


def test_the_empty_query_has_the_history_of_its_class() -> None:
    histories = QueryHistories.prior(SETTINGS.space)
    assert histories.of("") is histories.overall
    assert histories.draws("") == 0.0


def test_a_log_of_another_version_is_not_comparable() -> None:
    old = replace(SETTINGS, query_key_version=1)
    assert not has_same_plans(SETTINGS, old)
    assert list_plan_differences(SETTINGS, old) == ["query_key_version 2, not 1"]
    assert Manifest(old, date(2026, 3, 2)).version != Manifest(SETTINGS, date(2026, 3, 2)).version
