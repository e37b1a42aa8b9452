"""Whose the champion is, as of which night; what a night may move; what people do by hand."""

from __future__ import annotations

from datetime import date

import pytest

from ltrr.artifacts.bundle import current, move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.artifacts.payloads import Payload, put_payload
from ltrr.artifacts.pointer import Canary
from ltrr.errors import ArtifactError, NotReadyError, UsageError
from ltrr.publishing.by_hand import promote, roll_back
from ltrr.publishing.moves import Move, champion_of, collect_moves, may_move, version_before
from ltrr.publishing.release import (
    CANARY_BEGUN,
    CANARY_ENDED,
    PROMOTED,
    PUBLISHED,
    ROLLED_BACK,
    Parts,
    bundle_files,
    publish,
    unrecorded,
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


def test_rolling_back_twice_goes_two_versions_back() -> None:
    moves = [Move(n, version, None) for n, version in enumerate("abc", start=1)]
    assert version_before(moves) == "b"
    assert version_before([*moves, Move(4, "b", None)]) == "a"
    with pytest.raises(UsageError, match="nothing to roll back to"):
        version_before(moves[:1])
    with pytest.raises(UsageError, match="no version"):
        version_before([])


@pytest.fixture
def versions(home):
    """Two published versions, the first one current."""
    made = [publish_bundle(home, "search", *uniform_bundle(SETTINGS, day)) for day in MARCH[:2]]
    move_pointer(home, "search", made[0])
    return made


def test_a_person_promotes_and_rolls_back_each_as_a_new_sequence(home, versions) -> None:
    moves = [Move(1, versions[0], MARCH[0])]
    row = promote(home, "search", moves, versions[1], why="reviewed", by_whom="ada")
    assert (row.action, row.sequence, row.previous, row.night) == (PROMOTED, 2, versions[0], None)
    assert current(home, "search") == versions[1]
    moves.append(Move(2, versions[1], None))
    assert promote(home, "search", moves, versions[1], why="again", by_whom="ada") is None
    back = roll_back(home, "search", moves, why="clicks fell", by_whom="ada")
    assert (back.action, back.version, back.sequence) == (ROLLED_BACK, versions[0], 3)
    assert current(home, "search") == versions[0]


def test_what_cannot_be_served_is_not_pointed_at(home, versions) -> None:
    with pytest.raises(ArtifactError, match="no such version"):
        promote(home, "search", [], "2026-03-09-000000000000", why="?", by_whom="ada")
    assert current(home, "search") == versions[0]


def test_pointers_that_nobody_recorded_are_recorded_once() -> None:
    moves = [
        Move(1, "u", MARCH[0], is_recorded=False, why="first champion"),
        Move(2, "a", MARCH[1]),
        Move(3, "b", MARCH[2], is_recorded=False, why="night"),
    ]
    first, died = unrecorded(moves, MARCH[2])
    assert (first.action, first.night, first.by_whom, first.why) == (PUBLISHED, None, "by hand", "first champion")
    assert (died.night, died.by_whom, died.previous) == (MARCH[2], "publish_policy", "a")
    # The attempt that follows publishes the same: its own row is the record, as if nothing had died.
    assert unrecorded(moves, MARCH[2], "b") == [first]
    assert unrecorded(moves[:2], None) == [first]


def test_a_canary_moves_nothing_for_the_nights_but_who_may_point(home, versions) -> None:
    """Begun by hand after night 2: night 3 has the same champion, and night 2, run again, leaves the canary alone."""
    moves = [Move(1, "u", MARCH[0]), Move(2, "a", MARCH[1]), Move(3, "a", None)]
    assert champion_of(moves, MARCH[2]) == moves[2]
    assert may_move(moves, MARCH[2])
    assert not may_move(moves, MARCH[1])
    assert version_before(moves) == "u"


@pytest.mark.spark
def test_a_canary_that_nobody_recorded_is_by_hand(home, spark, versions) -> None:
    move_pointer(home, "search", versions[0], why="try", canary=Canary(versions[1], 0.1, "2026-03-02T09:00:00+00:00"))
    move_pointer(home, "search", versions[0], why="enough")
    moves = collect_moves(empty(spark, RELEASES), home, "search")
    assert [(move.sequence, move.version, move.night) for move in moves] == [
        (1, versions[0], MARCH[0]),
        (2, versions[0], None),
        (3, versions[0], None),
    ]
    rows = unrecorded(moves, MARCH[2])
    assert [(row.action, row.by_whom, row.canary and row.canary.version) for row in rows] == [
        (PUBLISHED, "by hand", None),
        (CANARY_BEGUN, "by hand", versions[1]),
        (CANARY_ENDED, "by hand", None),
    ]


def test_a_bundle_is_the_champions_models_with_tonights_evidence(home, versions) -> None:
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
    from ltrr.artifacts.history import HistoryBook

    return HistoryBook.prior(SETTINGS.space).to_bytes()
