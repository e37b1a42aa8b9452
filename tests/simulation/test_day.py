"""A day of service: reproducible, with valid records, and with the true frequency of clicks."""

import gzip
import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.record_checks import check_decision_record, check_event
from ltrr.core.queries import query_key
from ltrr.errors import UsageError
from ltrr.serving import Policy, replay
from ltrr.simulation.day import serve_day
from ltrr.simulation.log_files import LINES_A_PART, write_parts
from ltrr.simulation.music import music_world
from tests.simulation.small_worlds import chance_world, uniform_policy

DAY = date(2026, 3, 2)


def lines_of(folder, stem):
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"{stem}-*.ndjson.gz"))
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()
    ]


def bytes_of(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def serve(world, root, policy=None, impressions=400, seed=5, day=DAY):
    return serve_day(world, policy or uniform_policy(world), day, impressions=impressions, seed=seed, logs_root=root)


@pytest.fixture(scope="module")
def served(music, tmp_path_factory):
    root = tmp_path_factory.mktemp("logs")
    log = serve(music, root, impressions=4_000)
    return root, log, lines_of(log.folder, "decisions")


def events_of(root):
    return lines_of(root / "dt=2026-03-02", "events") + lines_of(root / "dt=2026-03-03", "events-from-2026-03-02")


def test_a_day_again_is_the_same_bytes_even_from_a_world_built_anew(tmp_path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    for root in (first, again):
        serve(music_world(artists=20, queries=120, semantic=False), root, impressions=300)
    assert bytes_of(first) == bytes_of(again)
    assert len(bytes_of(first)) >= 3
    stamps = {path: path.stat().st_mtime_ns for path in first.rglob("*.gz")}
    serve(music_world(artists=20, queries=120, semantic=False), first, impressions=300)
    assert stamps == {path: path.stat().st_mtime_ns for path in first.rglob("*.gz")}


def test_a_policy_that_knows_the_hour_chooses_for_each_search(tmp_path) -> None:
    world = music_world(artists=20, queries=60, semantic=False)
    settings = replace(world.policy_settings(), features=("query", "context", "time"))
    policy = Policy.of(Manifest(settings, DAY), {})
    records = lines_of(serve(world, tmp_path, policy, impressions=300).folder, "decisions")
    of_queries: dict[str, set[tuple[float, ...]]] = defaultdict(set)
    for record in records:
        assert replay(policy, record).worst_difference == 0.0
        of_queries[query_key(record["query_text"])].add(tuple(record["decisions"][0]["shared"]))
    assert max(map(len, of_queries.values())) > 1
    names = [feature.name for feature in settings.shared_features]
    for record in records:
        shared = dict(zip(names, record["decisions"][0]["shared"], strict=True))
        assert shared[f"device:{record['context']['device']}"] == shared["surface:search"] == 1.0


def test_every_line_is_a_record_or_an_event(served) -> None:
    root, log, records = served
    assert len(records) == log.impressions == 4_000
    assert [reason for record in records for reason in check_decision_record(record)] == []
    events = events_of(root)
    assert [reason for event in events for reason in check_event(event)] == []
    assert Counter(event["kind"] for event in events) == {"click": log.clicks, "purchase": log.purchases}
    assert len({event["event_id"] for event in events}) == len(events)
    assert len({record["impression_id"] for record in records}) == len(records)
    assert (log.folder / "_SUCCESS").exists()
    assert not (root / "dt=2026-03-03" / "_SUCCESS").exists()


def test_events_follow_what_was_shown_inside_their_windows_in_the_folder_of_their_date(served) -> None:
    root, _, records = served
    shown = {record["impression_id"]: record for record in records}
    clicked = {}
    for event in sorted(events_of(root), key=lambda event: event["at"]):
        record = shown[event["impression_id"]]
        assert event["entity_id"] in {row["entity_id"] for row in record["slate"]}
        after = datetime.fromisoformat(event["at"]) - datetime.fromisoformat(record["at"])
        window = timedelta(minutes=30) if event["kind"] == "click" else timedelta(hours=24)
        assert timedelta(0) < after < window
        pair = (event["impression_id"], event["entity_id"])
        if event["kind"] == "click":
            assert pair not in clicked
            clicked[pair] = event["at"]
        else:
            assert clicked[pair] < event["at"]
    for arrival, stem in (("2026-03-02", "events"), ("2026-03-03", "events-from-2026-03-02")):
        arrived = lines_of(root / f"dt={arrival}", stem)
        assert arrived
        assert {event["at"][:10] for event in arrived} == {arrival}


def test_people_come_back_and_the_day_has_hours(served) -> None:
    _, _, records = served
    at = [datetime.fromisoformat(record["at"]) for record in records]
    assert at == sorted(at)
    assert {moment.astimezone(UTC).date() for moment in at} == {DAY}
    per_user = Counter(record["user"] for record in records)
    assert 1_000 < len(per_user) < 4_000
    assert per_user.most_common(1)[0][1] > 8
    # What a user holds and where they live does not change.
    assert len({(r["user"], r["context"]["device"], r["utc_offset_minutes"]) for r in records}) == len(per_user)
    hours = Counter(
        (moment.hour * 60 + r["utc_offset_minutes"]) // 60 % 24 for moment, r in zip(at, records, strict=True)
    )
    assert hours[20] > 3 * hours[4]


def test_unseen_queries_are_never_searched_and_spellings_share_a_key(music, served) -> None:
    _, _, records = served
    searched = {query_key(record["query_text"]) for record in records}
    unseen = {key for key, hidden in zip(music.keys, music.unseen.tolist(), strict=True) if hidden}
    assert 0.15 < len(unseen) / len(music.keys) < 0.35
    assert searched.isdisjoint(unseen)
    assert searched <= set(music.keys)
    assert len({record["query_text"] for record in records}) > len(searched)


def test_searches_of_a_query_are_as_frequent_as_its_traffic(music, served) -> None:
    _, _, records = served
    counted = Counter(query_key(record["query_text"]) for record in records)
    for key, share in zip(music.keys, music.traffic.tolist(), strict=True):
        expected = 4_000 * share
        # Bernstein: a deviation this large has probability below 2 exp(-20) for each of 300
        # queries.
        assert abs(counted[key] - expected) <= (40.0 * expected) ** 0.5 + 14.0


@pytest.mark.statistical
def test_clicks_are_as_frequent_as_examination_times_relevance(tmp_path) -> None:
    world = chance_world(queries=30, entities=40, limit=8)
    root = tmp_path / "logs"
    log = serve(world, root, impressions=6_000)
    clicked = {(event["impression_id"], event["entity_id"]) for event in events_of(root) if event["kind"] == "click"}
    numbers = {key: number for number, key in enumerate(world.keys)}
    shown, seen = Counter(), Counter()
    for record in lines_of(log.folder, "decisions"):
        relevance = world.queries[numbers[query_key(record["query_text"])]].relevance
        for row in record["slate"]:
            cell = (row["position"], relevance.get(world.entity_numbers[row["entity_id"]], 0.0))
            shown[cell] += 1
            seen[cell] += (record["impression_id"], row["entity_id"]) in clicked
    cells = [cell for cell in shown if shown[cell] >= 100]
    assert {position for position, _ in cells} == set(range(1, 9))
    assert {grade for _, grade in cells} == {0.0, 0.5, 1.0}
    for position, grade in cells:
        chance_of_click = position**-0.7 * {0.0: 0.05, 0.5: 0.425, 1.0: 0.8}[grade]
        n = shown[position, grade]
        # Bernstein's bound at 24 cells: a false alarm has probability below 24 * 2 * exp(-18) <
        # 1e-6.
        spread = (2 * 18 * n * chance_of_click * (1 - chance_of_click)) ** 0.5 + 2 * 18 / 3
        assert abs(seen[position, grade] - n * chance_of_click) < spread


def test_two_policies_on_one_day_meet_the_same_people(chance, tmp_path) -> None:
    taught = uniform_policy(chance, [(key, [("e3", 0.9)]) for key in sorted(chance.keys)])
    logs = [serve(chance, tmp_path / name, policy) for name, policy in (("a", uniform_policy(chance)), ("b", taught))]
    first, second = (lines_of(log.folder, "decisions") for log in logs)
    for name in ("impression_id", "at", "user", "session", "query_text", "context"):
        assert [record[name] for record in first] == [record[name] for record in second]
    assert [record["looks"] for record in first] != [record["looks"] for record in second]


def test_another_seed_or_day_is_another_day(chance, tmp_path) -> None:
    one = serve(chance, tmp_path / "one")
    for name, changed in (("seed", {"seed": 6}), ("day", {"day": date(2026, 3, 3)})):
        other = serve(chance, tmp_path / name, **changed)
        ids = [{record["impression_id"] for record in lines_of(log.folder, "decisions")} for log in (one, other)]
        assert ids[0].isdisjoint(ids[1])


def test_a_closed_day_is_not_served_otherwise(chance, tmp_path) -> None:
    serve(chance, tmp_path)
    before = bytes_of(tmp_path)
    with pytest.raises(UsageError, match="closed day"):
        serve(chance, tmp_path, impressions=401)
    assert bytes_of(tmp_path) == before


def test_parts_that_a_killed_run_left_are_removed(tmp_path) -> None:
    folder = tmp_path / "dt=2026-03-02"
    assert len(write_parts(folder, "events", (str(n) for n in range(2 * LINES_A_PART + 1)))) == 3
    write_parts(folder, "events-from-2026-03-01", ["kept"])
    assert len(write_parts(folder, "events", ["0"])) == 1
    assert sorted(path.name for path in folder.iterdir()) == [
        "events-00000.ndjson.gz",
        "events-from-2026-03-01-00000.ndjson.gz",
    ]


def test_the_next_day_leaves_what_the_day_before_sent_it(chance, tmp_path) -> None:
    serve(chance, tmp_path, impressions=1_000)
    sent = lines_of(tmp_path / "dt=2026-03-03", "events-from-2026-03-02")
    serve(chance, tmp_path, impressions=300, day=date(2026, 3, 3))
    assert sent
    assert lines_of(tmp_path / "dt=2026-03-03", "events-from-2026-03-02") == sent
    # Served again after the next day was closed: nothing changes, and nothing is refused.
    before = bytes_of(tmp_path)
    serve(chance, tmp_path, impressions=1_000)
    assert bytes_of(tmp_path) == before


def test_a_learned_policy_can_serve(chance, tmp_path) -> None:
    """Recalled entities reach looks, draws and pages."""
    policy = uniform_policy(chance, [(key, [("e1", 0.5), ("e2", 0.25)]) for key in sorted(chance.keys)])
    log = serve(chance, tmp_path, policy)
    records = lines_of(log.folder, "decisions")
    looks = {tuple(result["entity_id"] for result in record["looks"][2]["results"]) for record in records}
    assert looks == {("e1", "e2")}
    assert np.mean([any(draw["strategy"] == "memory" for draw in record["draws"]) for record in records]) > 0.5
