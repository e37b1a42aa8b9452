"""Dates and decisions that a job reads after a change or a failure, without Spark."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from ltrr.artifacts.bundle import move_pointer, publish_bundle
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.evaluation.published import read_block_sizes
from ltrr.logs.settings import LogSettings
from ltrr.pipelines import canary
from ltrr.pipelines.compute_strategy_features import _blocks_since
from ltrr.pipelines.notes import HistoryNotes, required_notes

FIRST, NIGHT = date(2026, 3, 1), date(2026, 3, 20)


class Night:
    """The part of a night that the tested functions use."""

    def __init__(self, block_size: int = 2, before: HistoryNotes | None = None, closed: list[date] | None = None):
        policy = SimpleNamespace(name="search", block_size=block_size)
        self.settings = SimpleNamespace(policy=policy, logs=LogSettings(), first_date=FIRST)
        self.date, self.closed, self.policies_root = NIGHT, closed or [], "memory://none"
        self.before = before
        self.notes: dict[str, object] = {}

    def previous_notes_of(self, _kind: type[HistoryNotes]) -> HistoryNotes | None:
        return self.before

    def note(self, **values: object) -> None:
        self.notes |= values

    def closed_dates(self) -> list[date]:
        return self.closed


def history_notes(**notes: object) -> HistoryNotes:
    return HistoryNotes(**dict.fromkeys(required_notes(HistoryNotes)) | notes)


@pytest.mark.parametrize(
    ("before", "since"),
    [
        (None, FIRST),
        (history_notes(), FIRST),
        (history_notes(block_size=5, blocks_since=date(2026, 3, 9)), date(2026, 3, 9)),
        (history_notes(block_size=2, blocks_since=date(2026, 3, 9)), LogSettings().first_open(NIGHT)),
    ],
    ids=["the first date", "a night of ltrr 0.1", "the same blocks", "blocks of another size"],
)
def test_counts_of_blocks_of_another_size_are_no_history(before: HistoryNotes | None, since: date) -> None:
    night = Night(block_size=5, before=before)
    assert _blocks_since(night) == since
    assert night.notes == {"block_size": 5, "blocks_since": since}


def test_the_block_size_of_a_version_is_found_under_whatever_name_it_was_published(tmp_path) -> None:
    found = {}
    for name, size in (("search", 5), ("former", 2)):
        manifest = Manifest(PolicySettings(name, ("title", "memory"), block_size=size, budget=1), FIRST)
        version = publish_bundle(tmp_path, name, manifest, {})
        move_pointer(tmp_path, name, version, why="the test's")
        found[version] = size
    assert read_block_sizes(tmp_path, "search", [*found, "2026-03-01-000000000000"]) == found


def test_a_canary_is_not_judged_on_dates_that_are_distrusted(monkeypatch) -> None:
    days = [FIRST + timedelta(days=n) for n in range(3)]
    monkeypatch.setattr(canary, "open_policy", lambda _root, _name: None)
    monkeypatch.setattr(canary, "canary_life", lambda _store, _pointer: SimpleNamespace(first_date=days[1]))
    night = Night(closed=days)
    assert canary.judge_canary(night, None, {days[1], days[2]}, []) == []
    assert night.notes["canary_dates"] == 0
