"""Records of every bundle that may still answer are accepted, whatever the current settings."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from pathlib import Path

import pytest

from ltrr.artifacts.bundle import move_pointer, policy_names, publish_bundle
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.artifacts.pointer import Canary
from ltrr.artifacts.served import served_strategies
from ltrr.evaluation.published import read_planning_parts

FIRST = date(2026, 3, 1)
WITH = ("title", "memory", "popular")
WITHOUT = ("title", "memory")
RELOAD_DAYS = 3


def publish(root: Path, day: int, strategies: tuple[str, ...], name: str = "search") -> str:
    settings = PolicySettings(name, strategies, block_size=2, budget=2)
    return publish_bundle(root, name, Manifest(settings, FIRST + timedelta(days=day)), {})


def serve(root: Path, day: int, strategies: tuple[str, ...], name: str = "search") -> str:
    version = publish(root, day, strategies, name)
    move_pointer(root, name, version, why=f"night {day}")
    return version


def accepted(root: Path, day: int) -> set[str]:
    """Strategies that night `day` accepts; it takes records of two dates."""
    night = FIRST + timedelta(days=day)
    return set(served_strategies(root, night, night - timedelta(days=1), RELOAD_DAYS))


def test_a_removed_strategy_is_accepted_until_every_service_has_reloaded(tmp_path: Path) -> None:
    for day in range(20):
        serve(tmp_path, day, WITH if day < 5 else WITHOUT)
    # Night 5 moves the pointer on day 6, services follow until day 9, and night 10 takes records of
    # day 9.
    assert {day for day in range(1, 21) if accepted(tmp_path, day) == set(WITH)} == set(range(1, 11))
    assert {day for day in range(1, 21) if accepted(tmp_path, day) == set(WITHOUT)} == set(range(11, 21))


def test_a_night_that_runs_again_accepts_the_same_strategies(tmp_path: Path) -> None:
    known = {}
    for day in range(12):
        known[day] = accepted(tmp_path, day)
        serve(tmp_path, day, ("title", f"strategy_{day}"))
    assert {day: accepted(tmp_path, day) for day in range(12)} == known
    assert "strategy_11" not in known[11]


def test_current_bundles_of_all_policies_count_whatever_their_age(tmp_path: Path) -> None:
    serve(tmp_path, 0, WITH, "retired")
    for day in range(10, 15):
        serve(tmp_path, day, WITHOUT, "search")
    assert accepted(tmp_path, 15) == set(WITH)


def test_bundles_of_a_rollback_and_of_a_canary_count(tmp_path: Path) -> None:
    old = serve(tmp_path, 0, WITH)
    for day in range(1, 12):
        champion = serve(tmp_path, day, WITHOUT)
    assert accepted(tmp_path, 12) == set(WITHOUT)
    move_pointer(tmp_path, "search", champion, canary=Canary(publish(tmp_path, 11, (*WITHOUT, "vector")), 0.1, "now"))
    assert accepted(tmp_path, 12) == {*WITHOUT, "vector"}
    move_pointer(tmp_path, "search", old, why="rolled back")
    assert accepted(tmp_path, 12) == {*WITH, "vector"}


def test_an_unreadable_bundle_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    serve(tmp_path, 0, WITHOUT)
    torn = serve(tmp_path, 1, WITH)
    (tmp_path / "search" / torn / "manifest.json").write_bytes(b"{")
    (tmp_path / "search" / "current" / "00000003.json").write_bytes(b"{")
    with caplog.at_level(logging.WARNING):
        assert accepted(tmp_path, 2) == set(WITHOUT)
    assert torn in caplog.text
    assert "pointer=3" in caplog.text
    assert accepted(tmp_path / "nothing", 2) == set()
    (tmp_path / "readme").write_text("a file next to the policies")
    (tmp_path / "empty").mkdir()
    assert policy_names(tmp_path) == ["search"]


def test_a_log_is_replayed_from_the_bundles_of_every_policy(tmp_path: Path) -> None:
    """Otherwise records of a replaced policy would be of unknown bundles and stop the night."""
    version, other = serve(tmp_path, 0, WITH, "retired"), serve(tmp_path, 1, WITHOUT)
    parts = read_planning_parts(tmp_path, "search", {version, other, "2026-03-01-000000000000"})
    assert {key: part.manifest.settings.name for key, part in parts.items()} == {version: "retired", other: "search"}
