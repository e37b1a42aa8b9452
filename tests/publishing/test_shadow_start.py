"""Into shadow mode and out of it: first champions, and the first canary."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from ltrr.artifacts.bundle import BANDIT, current, move_pointer, publish_bundle, read_manifest, versions
from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.pointer import current_pointer, open_policy
from ltrr.errors import UsageError
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.publishing.release import Release
from ltrr.serving import Policy
from ltrr.shadow.first_canary import begin_first_canary

SETTINGS = PolicySettings("search", ("title", "memory"))
FIRST = date(2026, 3, 1)


def test_a_first_champion_enters_shadow_mode_once(tmp_path) -> None:
    served, is_new = publish_first_champion(tmp_path, SETTINGS, FIRST)
    assert is_new
    assert not Policy.load(tmp_path / "search").is_shadow
    shadowed, is_new = publish_first_champion(tmp_path, SETTINGS, FIRST, shadow=True)
    assert (is_new, current(tmp_path, "search")) == (True, shadowed)
    assert shadowed != served
    assert Policy.load(tmp_path / "search").is_shadow
    assert publish_first_champion(tmp_path, SETTINGS, FIRST, shadow=True) == (shadowed, False)
    assert publish_first_champion(tmp_path, SETTINGS, FIRST) == (shadowed, False)
    assert publish_first_champion(tmp_path, SETTINGS, FIRST, shadow=False) == (served, True)
    assert not Policy.load(tmp_path / "search").is_shadow


@pytest.mark.parametrize(("shadow", "verb"), [(False, "enter"), (True, "leave")])
def test_a_champion_with_a_bandit_keeps_its_mode(tmp_path, shadow: bool, verb: str) -> None:
    version, _ = publish_first_champion(tmp_path, SETTINGS, FIRST, shadow=shadow)
    manifest = read_manifest(tmp_path, "search", version)
    learned = publish_bundle(tmp_path, "search", replace(manifest, run_id="r"), {BANDIT: b"a model"})
    move_pointer(tmp_path, "search", learned, why="test")
    with pytest.raises(UsageError, match=f"cannot {verb} shadow mode"):
        publish_first_champion(tmp_path, SETTINGS, FIRST, shadow=not shadow)
    assert current(tmp_path, "search") == learned


def test_a_first_canary_that_was_killed_before_its_pointer_is_begun_once(tmp_path, monkeypatch) -> None:
    shadowed, _ = publish_first_champion(tmp_path, SETTINGS, FIRST, shadow=True)

    def begin() -> Release:
        return begin_first_canary(tmp_path, "search", shadowed, 0.1, 0.02, why="a test", by_whom="someone")

    with monkeypatch.context() as killed:
        killed.setattr("ltrr.shadow.first_canary.begin_canary", lambda *_, **__: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            begin()
    # No user is served by the version that was published.
    left = set(versions(tmp_path, "search"))
    assert current_pointer(open_policy(tmp_path, "search")).canary is None
    canary = begin().canary
    assert canary is not None
    assert set(versions(tmp_path, "search")) == left == {shadowed, canary.version}
    with pytest.raises(UsageError, match="another canary runs already"):
        begin()
    served = Policy.load(tmp_path / "search")
    modes = {served.for_user(f"user-{n}").is_shadow for n in range(200)}
    assert modes == {True, False}
    ramped = read_manifest(tmp_path, "search", canary.version)
    assert (ramped.settings.exploration.floor_share, ramped.lineage["shadow"]) == (0.02, shadowed)
