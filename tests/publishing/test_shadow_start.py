"""A first champion enters shadow mode; one that serves what it has learned never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from ltrr.artifacts.bundle import BANDIT, current, move_pointer, publish_bundle, read_manifest
from ltrr.artifacts.manifest import PolicySettings
from ltrr.errors import UsageError
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.serving import Policy

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
