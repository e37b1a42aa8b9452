"""A canary serves a fixed share of the users, and never affects the champion."""

import json
import logging
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.decision_record import record_line
from ltrr.artifacts.pointer import Canary, open_policy, pointer_at, pointers
from ltrr.artifacts.record_checks import check_decision_record
from ltrr.core.situation import Situation
from ltrr.errors import ArtifactError, UsageError
from ltrr.serving import Policy, replay
from tests.artifacts.bundles import FIELDS, SETTINGS, drawn_of, learned_bundle, looks_of

BEGUN = "2026-03-03T09:00:00.000+00:00"
USERS = [f"user-{n}" for n in range(2_000)]


@pytest.fixture
def champion(tmp_path: Path) -> str:
    version = publish_bundle(tmp_path, "search", *uniform_bundle(SETTINGS, date(2026, 3, 1)))
    move_pointer(tmp_path, "search", version)
    return version


@pytest.fixture
def tried(tmp_path: Path, champion: str) -> str:
    """A canary next to the champion, for a quarter of the users."""
    version = publish_bundle(tmp_path, "search", *learned_bundle())
    move_pointer(tmp_path, "search", champion, canary=Canary(version, 0.25, BEGUN))
    return version


def recorded(policy: Policy, user: str, recorded_user: str | None = None) -> dict[str, Any]:
    looks = looks_of(1)
    choice = policy.plan("love", looks, seed=f"i-{user}", fields=FIELDS)
    drawn = drawn_of(choice.blocks, looks)
    record = policy.record(
        impression_id=f"i-{user}",
        situation=Situation(datetime(2026, 3, 3, 12, tzinfo=UTC)),
        query_text="love",
        user=user if recorded_user is None else recorded_user,
        session="s",
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=policy.rank("love", drawn).top(4),
        fields=FIELDS,
    )
    return dict(json.loads(record_line(record)))


def sides(policy: Policy) -> list[str]:
    return [policy.for_user(user).version for user in USERS]


@pytest.mark.parametrize("share", [0.02, 0.25, 0.9])
def test_the_share_of_users_is_the_share(share: float) -> None:
    """Within 5 standard deviations for 200,000 users; hashes give the same draws in every run."""
    users = 200_000
    for begun in (BEGUN, "2026-04-01T00:00:00.000+00:00"):
        canary = Canary("v", share, begun)
        served = sum(canary.serves(f"user-{n}") for n in range(users))
        assert abs(served - users * share) < 5.0 * (users * share * (1.0 - share)) ** 0.5


def test_two_canaries_draw_independently() -> None:
    """Users of the last canary are as likely as others to be users of the next."""
    one, other = Canary("v", 0.3, BEGUN), Canary("v", 0.3, "2026-04-01T00:00:00.000+00:00")
    users = [f"user-{n}" for n in range(100_000) if one.serves(f"user-{n}")]
    again = sum(other.serves(user) for user in users)
    assert abs(again - 0.3 * len(users)) < 5.0 * (len(users) * 0.21) ** 0.5


def test_a_larger_share_keeps_the_users_that_it_has() -> None:
    small, large = Canary("v", 0.1, BEGUN), Canary("v", 0.4, BEGUN)
    assert all(large.serves(user) for user in USERS if small.serves(user))


def test_each_side_is_served_recorded_and_replayed_from_its_own_bundle(
    tmp_path: Path, champion: str, tried: str
) -> None:
    policy = Policy.load(tmp_path / "search")
    assert (policy.version, policy.canary and policy.canary.version) == (champion, tried)
    assert 0.2 < sides(policy).count(tried) / len(USERS) < 0.3
    bundles = {version: Policy.load(tmp_path / "search", version) for version in (champion, tried)}
    seen = set()
    for user in USERS[:40]:
        record = recorded(policy.for_user(user), user)
        assert check_decision_record(record) == []
        assert record["version_propensity"] == {champion: 0.75, tried: 0.25}[record["policy_version"]]
        assert replay(bundles[record["policy_version"]], record).is_exact
        seen.add(record["policy_version"])
    assert seen == {champion, tried}


def test_without_a_canary_or_a_user_nothing_is_drawn(tmp_path: Path, champion: str) -> None:
    alone = Policy.load(tmp_path / "search")
    assert recorded(alone.for_user("user-1"), "user-1")["version_propensity"] == 1.0
    other = publish_bundle(tmp_path, "search", *learned_bundle())
    move_pointer(tmp_path, "search", champion, canary=Canary(other, 0.999, BEGUN))
    policy = Policy.load(tmp_path / "search")
    for served in (policy, policy.pinned(), policy.for_user("")):
        record = recorded(served, "anybody")
        assert (record["policy_version"], record["version_propensity"]) == (champion, 1.0)


def test_a_record_of_another_user_than_that_of_the_draw_is_refused(tmp_path: Path, tried: str) -> None:
    policy = Policy.load(tmp_path / "search")
    with pytest.raises(UsageError, match="another user"):
        recorded(policy.for_user("user-1"), "user-1", recorded_user="user-2")


def test_a_user_stays_on_a_side_while_both_are_refreshed(tmp_path: Path, champion: str, tried: str) -> None:
    policy = Policy.load(tmp_path / "search")
    before = [version == tried for version in sides(policy)]
    held = policy.for_user(USERS[0])
    night = [
        publish_bundle(tmp_path, "search", replace(manifest, as_of_date=date(2026, 3, 4)), files)
        for manifest, files in (uniform_bundle(SETTINGS, date(2026, 3, 4)), learned_bundle(4))
    ]
    canary = pointers(tmp_path, "search")[-1].canary
    assert canary is not None
    sequence = move_pointer(tmp_path, "search", night[0], canary=replace(canary, version=night[1]))
    assert move_pointer(tmp_path, "search", night[0], canary=replace(canary, version=night[1])) == sequence
    assert policy.reload() is True
    assert set(sides(policy)) == set(night)
    assert [version == night[1] for version in sides(policy)] == before
    assert held.version in (champion, tried)
    # The canary ends: the champion serves all users.
    move_pointer(tmp_path, "search", night[0])
    assert policy.reload() is True
    assert (set(sides(policy)), policy.canary) == ({night[0]}, None)


@pytest.mark.parametrize("how", ["torn", "gone", "altered"])
def test_a_broken_canary_leaves_the_champion_serving(
    tmp_path: Path, champion: str, tried: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    running = Policy.load(tmp_path / "search", champion)
    path = tmp_path / "search" / tried / ("manifest.json" if how == "altered" else "bandit.vw")
    good = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(good.replace(b'"run"', b'"nur"') if how == "altered" else good[:-1])
    with caplog.at_level(logging.WARNING):
        started = Policy.load(tmp_path / "search")
        assert running.reload() is False
    assert tried in caplog.text
    assert path.name in caplog.text
    for policy in (started, running):
        assert set(sides(policy)) == {champion}
        assert policy.canary is None
        # Nothing is drawn on this machine for any user, so its log does not count for the canary.
        assert {recorded(policy.for_user(user), user)["version_propensity"] for user in USERS[:20]} == {1.0}
    path.write_bytes(good)
    assert started.reload() is True
    assert set(sides(started)) == {champion, tried}
    assert started.reload() is False


def test_a_broken_champion_is_refused_with_its_canary(tmp_path: Path, champion: str, tried: str) -> None:
    policy = Policy.load(tmp_path / "search")
    move_pointer(tmp_path, "search", tried)
    path = tmp_path / "search" / tried / "bandit.vw"
    path.write_bytes(path.read_bytes()[:-1])
    assert policy.reload() is False
    assert set(sides(policy)) == {champion, tried}


def test_an_invalid_canary_gets_no_pointer(tmp_path: Path, champion: str) -> None:
    with pytest.raises(UsageError, match="must differ from the version"):
        move_pointer(tmp_path, "search", champion, canary=Canary(champion, 0.5, BEGUN))
    with pytest.raises(ArtifactError, match="no such version"):
        move_pointer(tmp_path, "search", champion, canary=Canary("2026-03-09-000000000000", 0.5, BEGUN))
    for share in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match="share"):
            Canary("v", share, BEGUN)
    assert len(pointers(tmp_path, "search")) == 1


def test_a_pointer_says_who_moved_it_and_one_of_a_later_format_is_refused(tmp_path: Path, champion: str) -> None:
    path = tmp_path / "search" / "current" / "00000001.json"
    content = json.loads(path.read_text())
    assert content.keys() == {"version", "manifest_sha256", "at", "why", "by"}
    store = open_policy(tmp_path, "search")
    assert pointer_at(store, 1).canary is None
    canary = {"version": champion, "share": 2.0, "begun": BEGUN, "manifest_sha256": "x"}
    for more in ({"canary": "v"}, {"canary": {}}, {"canary": canary}):
        path.write_text(json.dumps(content | more))
        with pytest.raises(ArtifactError, match="pointer cannot be read"):
            pointer_at(store, 1)
    path.write_text(json.dumps(content | {"shadow": "v"}))
    with pytest.raises(ArtifactError, match="later format"):
        pointer_at(store, 1)
    # An old pointer has no `by`.
    path.write_text(json.dumps({name: value for name, value in content.items() if name != "by"}))
    assert pointer_at(store, 1).by is None
