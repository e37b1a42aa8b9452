"""The champion as of a night, moves that a night may make, and moves by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from ltrr.artifacts.bundle import current, move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.artifacts.payloads import Payload, put_payload
from ltrr.artifacts.pointer import Canary, Mover, open_policy, pointers, top_sequence
from ltrr.artifacts.store import Store
from ltrr.errors import ArtifactError, NotReadyError, PointerMovedError, UsageError
from ltrr.evaluation.published import read_planning_parts
from ltrr.publishing.by_hand import promote, roll_back
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.publishing.moves import Move, champion_of, collect_moves, may_move, moves_of
from ltrr.publishing.release import (
    CANARY_BEGUN,
    CANARY_ENDED,
    PROMOTED,
    PUBLISHED,
    REFRESHED,
    ROLLED_BACK,
    Parts,
    bundle_files,
    publish,
    unrecorded_releases,
)
from ltrr.publishing.release_rows import RELEASES
from ltrr.spark.columns import empty

SETTINGS = PolicySettings("search", ("title", "memory"), block_size=2, budget=2)
MARCH = [date(2026, 3, day) for day in range(1, 8)]
INIT = Move(1, "u", MARCH[0])
NIGHTS = [INIT, Move(2, "a", MARCH[1]), Move(3, "b", MARCH[2])]


def test_a_night_that_is_run_again_has_the_champion_it_first_had() -> None:
    assert [champion_of(NIGHTS, day).version for day in MARCH[1:5]] == ["u", "a", "b", "b"]
    again = [*NIGHTS, Move(4, "b2", MARCH[2])]
    assert champion_of(again, MARCH[2]).version == "a"
    assert champion_of(again, MARCH[3]).version == "b2"


def test_a_hand_counts_from_the_night_after_it() -> None:
    by_hand = [*NIGHTS, Move(4, "u", None)]
    assert champion_of(by_hand, MARCH[2]).version == "a"
    assert champion_of(by_hand, MARCH[3]).version == "u"
    assert not may_move(by_hand, MARCH[2])
    assert may_move(by_hand, MARCH[3])
    assert champion_of([*by_hand, Move(5, "c", MARCH[3])], MARCH[3]).version == "u"


def test_an_older_night_never_moves_what_a_later_one_left() -> None:
    assert [may_move(NIGHTS, day) for day in MARCH[1:4]] == [False, True, True]


def test_without_a_first_champion_nothing_can_be_judged() -> None:
    for moves in ([], [Move(1, "a", MARCH[1])]):
        with pytest.raises(NotReadyError, match="ltrr policies init"):
            champion_of(moves, MARCH[1])


@pytest.fixture
def versions(home):
    """Two published versions, the first one current."""
    made = [publish_bundle(home, "search", *uniform_bundle(SETTINGS, day)) for day in MARCH[:2]]
    move_pointer(home, "search", made[0])
    return made


def bundle(home, number: int, floor: float) -> str:
    """A version of night `number`; versions of one floor have the same models."""
    exploring = replace(SETTINGS, exploration=replace(SETTINGS.exploration, floor_share=floor))
    return publish_bundle(home, "search", Manifest(exploring, MARCH[number]), {})


def by_night(number: int, action: str) -> Mover:
    return Mover.of_night(MARCH[number], 1, action)


def test_a_person_promotes_and_rolls_back_each_as_a_new_sequence(home) -> None:
    old, new = bundle(home, 0, 0.5), bundle(home, 1, 0.1)
    move_pointer(home, "search", old)
    row = promote(home, "search", new, why="reviewed", by_whom="ada")
    assert (row.action, row.sequence, row.previous, row.night) == (PROMOTED, 2, old, None)
    assert current(home, "search") == new
    assert promote(home, "search", new, why="again", by_whom="ada") is None
    back = roll_back(home, "search", why="clicks fell", by_whom="ada")
    assert (back.action, back.version, back.sequence) == (ROLLED_BACK, old, 3)
    assert pointers(home, "search")[-1].by == Mover.of_person("ada", ROLLED_BACK)
    assert current(home, "search") == old


@pytest.mark.parametrize("says_who", [True, False])
def test_rolling_back_after_refreshes_goes_to_the_last_version_with_other_models(home, says_who: bool) -> None:
    """A rollback skips refreshes of the bad models, and a second one returns to them."""
    nights = [(0.5, PUBLISHED), (0.5, REFRESHED), (0.1, PROMOTED), (0.1, REFRESHED), (0.1, REFRESHED)]
    made = [bundle(home, number, floor) for number, (floor, _) in enumerate(nights)]
    for number, (_, action) in enumerate(nights):
        move_pointer(home, "search", made[number], by=by_night(number, action) if says_who else Mover())
    assert roll_back(home, "search", why="bad", by_whom="ada").version == made[1]
    with pytest.raises(UsageError, match="there is no version to roll back to"):
        roll_back(home, "search", why="worse", by_whom="ada")


def test_a_rollback_without_a_known_version_asks_for_one(home) -> None:
    old, bad = bundle(home, 0, 0.5), bundle(home, 1, 0.1)
    for version in (old, bad):
        move_pointer(home, "search", version)
    (home / "search" / old / "manifest.json").write_text("{")
    with pytest.raises(UsageError, match=r"not known.*ltrr policies promote VERSION"):
        roll_back(home, "search", why="bad", by_whom="ada")


def test_who_decided_on_what_is_no_longer_newest_creates_nothing(home, versions, monkeypatch) -> None:
    """A night does not overwrite a rollback between its read of the pointer and its move."""
    store = open_policy(home, "search")
    move_pointer(home, "search", versions[1], by=by_night(1, REFRESHED))
    top, third = top_sequence(store), bundle(home, 2, 0.5)
    prove = Store.prove_exclusive

    def slow(one: Store) -> None:
        monkeypatch.setattr(Store, "prove_exclusive", prove)
        move_pointer(home, "search", versions[0], why="it misbehaves", by=Mover.of_person("ada", ROLLED_BACK))

    monkeypatch.setattr(Store, "prove_exclusive", slow)
    with pytest.raises(PointerMovedError, match=f"sequence 3 of {versions[0]} by ada"):
        move_pointer(home, "search", third, by=by_night(2, REFRESHED), after=top)
    assert [pointer.version for pointer in pointers(home, "search")] == [versions[0], versions[1], versions[0]]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_rollback_after_a_crash_stays_whoever_records_the_dead_nights_pointer(home, versions, is_recorded) -> None:
    """A night moved the pointer and died, and a person rolled back.

    A rerun of the night finds that the pointer is not its own.
    """
    move_pointer(home, "search", versions[1], by=by_night(2, PROMOTED))
    move_pointer(home, "search", versions[0], by=Mover.of_person("ada", ROLLED_BACK))
    moves = moves_of([], home, "search")
    rows = [row.row() | {"policy": "search"} for row in unrecorded_releases(moves, None)]
    assert [(row["run_date"], row["by_whom"], row["action"]) for row in rows] == [
        (None, "by hand", PUBLISHED),
        (MARCH[2], "publish_policy", PROMOTED),
        (None, "ada", ROLLED_BACK),
    ]
    moves = moves_of(rows if is_recorded else [], home, "search")
    assert [move.night for move in moves] == [None, MARCH[2], None]
    assert not may_move(moves, MARCH[2])
    assert (champion_of(moves, MARCH[2]).sequence, champion_of(moves, MARCH[3]).sequence) == (1, 3)


def test_a_second_policy_of_a_home_has_moves_of_its_own(home, versions) -> None:
    """Rows of the first policy are no moves of the second, also rows without a policy."""
    move_pointer(home, "search", versions[1], by=by_night(1, REFRESHED))
    rows = [row.row() for row in unrecorded_releases(moves_of([], home, "search"), MARCH[1])]
    named, nameless = ([row | {"policy": name} for row in rows] for name in ("search", None))
    other = replace(SETTINGS, name="search-2", strategies=("title", "memory", "semantic"))
    version, _ = publish_first_champion(home, other, MARCH[0])
    for kept in (named, nameless):
        assert [(move.sequence, move.version) for move in moves_of(kept, home, "search-2")] == [(1, version)]
        first = moves_of(kept, home, "search")
        assert [(move.sequence, move.is_recorded) for move in first] == [(1, True), (2, True)]
    assert champion_of(moves_of(named, home, "search-2"), MARCH[3]).version == version
    # On the date of the change, services log versions of both policies: both are replayed, and no
    # other.
    logged = {version, *versions, f"../search/{version}", "2026-03-09-000000000000"}
    assert read_planning_parts(home, "search-2", logged).keys() == {version, *versions}


def test_a_torn_pointer_is_passed_over_and_pointing_again_is_the_remedy(home, versions, caplog) -> None:
    move_pointer(home, "search", versions[1])
    torn = home / "search" / "current" / "00000007.json"
    for content in (
        b'{"version": "../..',
        b"[]",
        b'{"version": "../../x", "manifest_sha256": "", "at": "", "why": ""}',
    ):
        torn.write_bytes(content)
        assert current(home, "search") == versions[1]
        assert "00000007.json skipped" in caplog.text
        assert [move.sequence for move in moves_of([], home, "search")] == [1, 2]
        caplog.clear()
    row = promote(home, "search", versions[1], why="mend", by_whom="ada")
    assert (row.action, row.sequence) == (PROMOTED, 8)
    assert [pointer.sequence for pointer in pointers(home, "search")] == [1, 2, 8]


def test_what_a_pointer_says_is_one_line_and_names_a_version(home, versions) -> None:
    forged = "x\n2026-03-02 CRITICAL forged"
    with pytest.raises(UsageError, match="is not one line"):
        promote(home, "search", versions[1], why=forged, by_whom="ada")
    with pytest.raises(ArtifactError, match="no such version"):
        promote(home, "search", f"../search/{versions[1]}", why="?", by_whom="ada")
    path = home / "search" / "current" / "00000001.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"why": forged}))
    assert pointers(home, "search")[0].why == "x 2026-03-02 CRITICAL forged"


def test_what_cannot_be_served_is_not_pointed_at(home, versions) -> None:
    with pytest.raises(ArtifactError, match="no such version"):
        promote(home, "search", "2026-03-09-000000000000", why="?", by_whom="ada")
    assert current(home, "search") == versions[0]


def test_unrecorded_pointers_are_recorded_once() -> None:
    moves = [
        Move(1, "u", MARCH[0], is_recorded=False, why="first champion"),
        Move(2, "a", MARCH[1]),
        Move(3, "b", MARCH[2], is_recorded=False, why="night"),
    ]
    first, died = unrecorded_releases(moves, MARCH[2])
    assert (first.action, first.night, first.by_whom, first.why) == (PUBLISHED, None, "by hand", "first champion")
    assert (died.night, died.by_whom, died.previous) == (MARCH[2], "publish_policy", "a")
    # The next attempt publishes the same version: its row is the record, as without the failure.
    assert unrecorded_releases(moves, MARCH[2], "b") == [first]
    assert unrecorded_releases(moves[:2], None) == [first]


def test_a_canary_moves_nothing_for_the_nights_but_who_may_point(home, versions) -> None:
    """A canary that begins by hand after night 2 changes no champion.

    Night 3 has the same champion, and a rerun of night 2 does not change the canary.
    """
    moves = [Move(1, "u", MARCH[0]), Move(2, "a", MARCH[1]), Move(3, "a", None)]
    assert champion_of(moves, MARCH[2]) == moves[2]
    assert may_move(moves, MARCH[2])
    assert not may_move(moves, MARCH[1])


@pytest.mark.spark
def test_an_unrecorded_canary_is_by_hand(home, spark, versions) -> None:
    move_pointer(home, "search", versions[0], why="try", canary=Canary(versions[1], 0.1, "2026-03-02T09:00:00+00:00"))
    move_pointer(home, "search", versions[0], why="enough")
    moves = collect_moves(empty(spark, RELEASES), home, "search")
    assert [(move.sequence, move.version, move.night) for move in moves] == [
        (1, versions[0], None),
        (2, versions[0], None),
        (3, versions[0], None),
    ]
    rows = unrecorded_releases(moves, MARCH[2])
    assert [(row.action, row.by_whom, row.canary and row.canary.version) for row in rows] == [
        (PUBLISHED, "by hand", None),
        (CANARY_BEGUN, "by hand", versions[1]),
        (CANARY_ENDED, "by hand", None),
    ]


def test_a_bundle_is_the_champions_models_with_the_evidence_of_the_night(home, versions) -> None:
    url = home / "search"
    history = put_payload(url, uniform_history())
    champion = Manifest(SETTINGS, MARCH[0]).with_files(
        {"bandit.vw": Payload("c" * 64, 3), "memory-000.npz": Payload("d" * 64, 1)}
    )
    files = bundle_files(home, "search", champion, Parts({}, history.sha256), {})
    assert files == {"bandit.vw": Payload("c" * 64, 3), "history.json": history}
    version = publish(home, "search", Manifest(SETTINGS, MARCH[1]), {"history.json": history})
    assert publish(home, "search", Manifest(SETTINGS, MARCH[1], run_id="later"), {"history.json": history}) == version
    assert current(home, "search") == versions[0]
    with pytest.raises(ArtifactError, match="payload is missing"):
        bundle_files(home, "search", champion, Parts({}, "e" * 64), {})


def test_a_bundle_that_does_not_load_is_not_released(home, versions) -> None:
    broken = put_payload(home / "search", b"no model")
    with pytest.raises(ArtifactError):
        publish(home, "search", Manifest(SETTINGS, MARCH[2]), {"bandit.vw": broken})
    assert current(home, "search") == versions[0]


def uniform_history() -> bytes:
    from ltrr.artifacts.history import QueryHistories

    return QueryHistories.prior(SETTINGS.space).to_bytes()
