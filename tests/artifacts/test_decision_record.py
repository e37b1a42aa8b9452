"""Checks and published schemas refuse the same lines; checks also refuse contradictions."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ltrr.artifacts.decision_record import block_entry, block_of, record_line, schema
from ltrr.artifacts.record_checks import check_decision_record, check_event, check_form
from ltrr.core.planning import Block
from ltrr.core.situation import Situation
from ltrr.errors import UsageError
from ltrr.serving import Policy
from tests.artifacts.bundles import FIELDS, drawn_of, learned_bundle, looks_of
from tests.artifacts.json_schema import faults


def served(query: int = 1, at: datetime = datetime(2026, 3, 2, 12, 0, 0, 123_000, UTC)) -> dict[str, Any]:
    policy = Policy.of(*learned_bundle())
    looks = looks_of(query)
    choice = policy.plan("The Matrix", looks, seed=f"i{query}", fields=FIELDS)
    drawn = drawn_of(choice.blocks, looks)
    return policy.record(
        impression_id=f"i{query}",
        situation=Situation(at, context={"device": "phone"}),
        query_text="The Matrix",
        user="user-77",
        session="session-5",
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=policy.rank("The Matrix", drawn),
        fields=FIELDS,
    )


def shadowed() -> dict[str, Any]:
    """A static page of a policy in shadow mode, with a block fetched after it was sent."""
    manifest, files = learned_bundle()
    policy, looks = Policy.of(replace(manifest, shadow=True), files), looks_of(1)
    choice = policy.plan("The Matrix", looks, seed="i1", fields=FIELDS)
    drawn = [replace(block, milliseconds=12.5) for block in drawn_of((("title", 1), ("memory", 1)), looks)]
    return policy.record(
        impression_id="i1",
        situation=Situation(datetime(2026, 3, 2, 12, tzinfo=UTC)),
        query_text="The Matrix",
        user="user-77",
        session="session-5",
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=policy.page("The Matrix", drawn, [*drawn[0].entity_ids, "advertisement"]),
        fields=FIELDS,
        off_path=[Block("title", 2, "ok", ("e77",), (0.5,), 30.0)],
    )


EVENT = {
    "event_id": "v1",
    "impression_id": "i1",
    "entity_id": "e1",
    "kind": "click",
    "at": "2026-03-02T12:00:05Z",
    "value": None,
}


def mutations(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Copies of a JSON value, each with a wrong value in another place."""
    if path:
        for wrong in (None, "", "text", -1, 0, 0.5, 2, True, [], {}, ["x"], {"x": 1}):
            yield path, wrong
    if isinstance(value, dict):
        for name in value:
            yield (*path, name), KeyError
            yield from mutations(value[name], (*path, name))
    elif isinstance(value, list) and value:
        yield from mutations(value[0], (*path, 0))


def mutated(value: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    changed = copy.deepcopy(value)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    if wrong is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = wrong
    return changed


def test_a_search_without_a_user_is_a_record() -> None:
    record = {**served(), "user": ""}
    assert check_decision_record(record) == faults(record, schema("decision_record")) == []


def test_a_record_of_serving_is_valid_and_is_read_back_from_the_log() -> None:
    for query in range(20):
        record = json.loads(record_line(served(query)))
        assert check_decision_record(record) == []
        assert faults(record, schema("decision_record")) == []
    assert record["at"] == "2026-03-02T12:00:00.123Z"


def test_a_record_of_shadow_mode_has_the_choice_that_was_not_served() -> None:
    record = json.loads(record_line(shadowed()))
    assert check_decision_record(record) == faults(record, schema("decision_record")) == []
    assert (record["served_by"], record["decisions"]) == ("static", [])
    assert record["shadow"]["propensity"] > 0.0
    assert record["draws"][0]["milliseconds"] == 12.5
    assert record["slate"][-1] == {
        "entity_id": "advertisement",
        "position": len(record["slate"]),
        "features": [None] * len(record["slate"][0]["features"]),
    }
    assert block_of(record["off_path"][0]).milliseconds == 30.0


def test_a_record_of_version_1_is_read() -> None:
    record = {**served(), "record_version": 1}
    assert check_decision_record(record) == faults(record, schema("decision_record")) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"served_by": "policy"}, "shadow: expected only where served_by is static"),
        ({"shadow_propensity": 0.9}, "propensity: expected"),
        ({"off_path_is_drawn": True}, "off_path: expected blocks that are not in looks or draws"),
    ],
)
def test_shadow_records_whose_parts_contradict_each_other_are_refused(changes: dict[str, Any], reason: str) -> None:
    record = shadowed()
    if "shadow_propensity" in changes:
        record["shadow"] = {**record["shadow"], "propensity": changes["shadow_propensity"]}
    elif "off_path_is_drawn" in changes:
        record["off_path"] = [record["draws"][0]]
    else:
        record |= changes
    assert any(one.startswith(reason) for one in check_decision_record(record))


def test_a_policy_in_shadow_mode_cannot_be_recorded_as_served() -> None:
    manifest, files = learned_bundle()
    policy, looks = Policy.of(replace(manifest, shadow=True), files), looks_of(1)
    choice = policy.plan("The Matrix", looks, seed="i1")
    drawn = drawn_of(choice.blocks, looks)
    arguments = {"query_text": "The Matrix", "user": "u", "session": "s", "looks": looks, "choice": choice}
    with pytest.raises(UsageError, match="a policy in shadow mode was served"):
        policy.record(
            impression_id="i1",
            situation=Situation(datetime(2026, 3, 2, 12, tzinfo=UTC)),
            drawn=drawn,
            slate=policy.rank("The Matrix", drawn),
            served_by="policy",
            **arguments,
        )


@pytest.mark.parametrize("record", [served(), shadowed()], ids=["served", "shadow"])
def test_schema_and_checks_refuse_the_same_records(record: dict[str, Any]) -> None:
    record = json.loads(record_line(record))
    refused = 0
    for path, wrong in mutations(record):
        line = mutated(record, path, wrong)
        broken = bool(faults(line, schema("decision_record")))
        assert bool(check_form(line)) == broken, (path, wrong)
        refused += broken
    assert refused > 300
    with_facts = [result for look in record["looks"] for result in look["results"] if "overlap" in result]
    assert any(result.get("examinations") for result in with_facts)
    # Facts are given once, where an entity is listed first.
    assert len(with_facts) == len({result["entity_id"] for result in with_facts})


def test_schema_and_checks_refuse_the_same_events() -> None:
    assert check_event(EVENT) == faults(EVENT, schema("event")) == []
    for path, wrong in mutations(EVENT):
        line = mutated(EVENT, path, wrong)
        assert bool(check_event(line)) == bool(faults(line, schema("event"))), (path, wrong)


def test_checks_alone_refuse_contradictions() -> None:
    record = served()
    decision = record["decisions"][0]
    second = {**record["slate"][0], "position": len(record["slate"]) + 1}
    cases: dict[str, Any] = {
        "sum of 1": (["decisions", 0, "floor"], decision["floor"] * 2),
        "as in the distribution": (["decisions", 0, "propensity"], decision["propensity"] / 2),
        "those of the shortlist": (["decisions", 0, "shortlist", 0, "features", 0], 9.0),
        "one length for every action": (["decisions", 0, "shortlist", 1, "features"], [1.0]),
        "two matrices of one shape": (["decisions", 0, "history", "hit_rate"], [[0.1]]),
        "one where served_by": (["decisions"], []),
        "the blocks of": (["draws"], record["draws"][1:]),
        "each entity once": (["slate"], [*record["slate"], second]),
        "positions 1, 2": (["slate", 0, "position"], 2),
        "entities of the draws": (["slate", 0, "entity_id"], "elsewhere"),
        "each block once": (["looks"], [*record["looks"], record["looks"][0]]),
        "13-45": (["at"], "2026-13-45T00:00:00Z"),
    }
    decision["action_taken"] = decision["shortlist"][0]["action"]
    record = served_with(record, decision)
    for words, (path, wrong) in cases.items():
        line = mutated(record, tuple(path), wrong)
        assert faults(line, schema("decision_record")) == [], words
        assert any(words in reason for reason in check_decision_record(line)), (words, check_decision_record(line))


def served_with(record: dict[str, Any], decision: dict[str, Any]) -> dict[str, Any]:
    """The same impression, with the first plan of its shortlist as the drawn plan."""
    first = decision["shortlist"][0]
    blocks = [
        (name, depth)
        for name, _, deepest in (part.partition(":") for part in first["action"].split(","))
        for depth in range(1, int(deepest) + 1)
    ]
    drawn = drawn_of(tuple(blocks), [block_of(entry) for entry in record["looks"]])
    policy = Policy.of(*learned_bundle())
    slate = policy.rank(record["query_text"], drawn)
    changed = {
        **record,
        "draws": [block_entry(block, 2) for block in drawn],
        "slate": [
            {"entity_id": entity_id, "position": place, "features": [0.0]}
            for place, entity_id in enumerate(slate.entity_ids, start=1)
        ],
        "decisions": [{**decision, "taken_features": list(first["features"]), "propensity": first["propensity"]}],
    }
    assert check_decision_record(changed) == []
    return changed


@pytest.mark.parametrize("line", [None, 3, "x", [], True, {"record_version": 1}])
def test_foreign_lines_have_reasons(line: Any) -> None:
    assert check_decision_record(line)
    assert check_event(line)


def test_reasons_never_contain_personal_data() -> None:
    secret = ["the secret words"]
    line = {**served(), "user": secret, "session": secret, "query_text": secret, "context": secret}
    reasons = check_decision_record(line)
    assert len(reasons) == 4
    assert "secret" not in " ".join(reasons)


def test_numbers_that_json_does_not_know_are_refused() -> None:
    record = json.loads(record_line(served()).replace('"floor":', '"floor":NaN,"was":'))
    assert any(reason.startswith("decisions[0].floor") for reason in check_decision_record(record))
    with pytest.raises(ValueError, match="JSON"):
        record_line({"floor": float("inf")})


def test_times_are_written_in_utc_and_need_a_zone() -> None:
    east = timezone(timedelta(hours=9))
    assert served(at=datetime(2026, 3, 3, 1, 0, 0, tzinfo=east))["at"] == "2026-03-02T16:00:00.000Z"
    with pytest.raises(UsageError, match="a time without a zone"):
        served(at=datetime(2026, 3, 3, 1, 0, 0))  # noqa: DTZ001 - the mistake in question


def test_a_missing_score_is_null_and_comes_back() -> None:
    entry = json.loads(record_line(block_entry(Block("title", 1, "ok", ("e1",), (float("nan"),)), 2)))
    assert entry["results"][0]["score"] is None
    assert block_of(entry).scores[0] != block_of(entry).scores[0]
