"""Nights with a canary, which replaces the champion or ends.

Nights refresh both sides, and the users of the canary decide.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from mlflow.tracking import MlflowClient

from ltrr.artifacts.bundle import BANDIT, current, move_pointer, pointers, publish_bundle, read_manifest
from ltrr.artifacts.history import FILE, QueryHistories
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import put_payload
from ltrr.artifacts.pointer import Canary, Mover, Pointer
from ltrr.pipelines import evaluate_policies, publish_policy
from ltrr.pipelines.runner import run_nightly
from ltrr.publishing.by_hand import roll_back
from ltrr.publishing.canary_trial import WAITS, frozen_with_ranker
from ltrr.publishing.challenger_rows import CHALLENGERS, read_challengers
from ltrr.publishing.release import REFRESHED, ROLLED_BACK
from ltrr.serving.policy import Policy
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.evaluation.logged_world import DAY, SPACE, Search, searches
from tests.pipelines.judged_home import NEXT, VALUES, judged_home, trained_bandit, true_values, upstream_jobs

pytestmark = [pytest.mark.spark, pytest.mark.long]

BEGUN = "2026-03-02T00:00:00.000+00:00"
THIRD = NEXT + timedelta(days=1)


class World:
    """A home with a uniform champion, and days served by the version of its pointer."""

    def __init__(self, spark, home, monkeypatch, folder) -> None:
        self.spark, self.settings, self.root = spark, judged_home(home), home / "policies"
        self.warehouse = Warehouse(spark, self.settings.paths.tables)
        self.logs: dict[object, list[Search]] = {}
        seen = searches(1_500, users=300, seed=11)
        self.values = true_values(seen)
        self.good = trained_bandit(seen, folder, values=self.values)
        self.bad = trained_bandit(seen, folder, -1.0)
        judging = {"evaluate_policies": evaluate_policies.run, "publish_policy": publish_policy.run}
        jobs = upstream_jobs(self.logs, self.bad) | judging
        monkeypatch.setattr("ltrr.pipelines.job_runner.load_job", jobs.__getitem__)

    def begin(self, bandit: bytes, values: dict[str, bytes]) -> str:
        """A canary for 40 % of the users, as `policies canary` would begin it on the first day."""
        manifest = Manifest(self.settings.policy, DAY - timedelta(days=1), values=VALUES if values else None)
        files = {
            name: put_payload(self.root / "search", data)
            for name, data in {BANDIT: bandit, FILE: QueryHistories.prior(SPACE).to_bytes(), **values}.items()
        }
        version = publish_bundle(self.root, "search", manifest, files)
        champion = current(self.root, "search")
        move_pointer(self.root, "search", champion, why="try", canary=Canary(version, 0.4, BEGUN))
        return version

    def night(self, day, count: int = 2_000):
        served = Policy.load(self.root / "search")
        self.logs[day] = searches(count, users=800, seed=day.day, served_by=served)
        return {run.job: run.notes for run in run_nightly(self.spark, self.settings, day)}["publish_policy"]

    @property
    def pointer(self) -> Pointer:
        return pointers(self.root, "search")[-1]

    def releases(self) -> list[tuple[object, ...]]:
        rows = self.warehouse.read(table("releases")).orderBy("run_date", "sequence", "action").collect()
        return [(row["action"], row["run_date"], row["sequence"], row["canary_version"]) for row in rows]


def check_refresh(world: World, first: str) -> Canary:
    """Night 1: no date is closed. Both sides get the night's history; users stay on their side."""
    begun = world.pointer
    sides = [Policy.load(world.root / "search").for_user(f"user-{n}").version == first for n in range(400)]
    notes = world.night(DAY)
    assert (notes["action"], notes["canary_outcome"]) == ("refreshed", "keep")
    assert "its trial begins with alpha 0.01" in notes["canary_verdict"]
    assert world.pointer.version != begun.version
    canary = world.pointer.canary
    assert canary is not None
    assert canary.version == notes["canary"] != first
    assert (canary.share, canary.begun) == (0.4, BEGUN)
    assert frozen_with_ranker(read_manifest(world.root, "search", canary.version)) == frozen_with_ranker(
        read_manifest(world.root, "search", first)
    )
    policy = Policy.load(world.root / "search")
    assert [policy.for_user(f"user-{n}").version == canary.version for n in range(400)] == sides
    assert world.releases() == [
        ("published", None, 1, None),
        ("canary_begun", None, 2, first),
        ("refreshed", DAY, None, None),
        ("refreshed", DAY, 3, canary.version),
    ]
    return canary


def check_promotion(world: World, first: str, canary: Canary) -> Manifest:
    """Night 2: day 1 is closed. The users of the canary earned more, so it becomes the champion."""
    notes = world.night(NEXT)
    assert (notes["action"], notes["canary_outcome"], notes["canary"]) == ("promoted", "promote", "")
    assert WAITS in notes["verdict"]
    assert notes["why"].startswith("canary: night 1 of 14: page reward differs by +")
    assert world.pointer.canary is None
    served = read_manifest(world.root, "search", world.pointer.version)
    assert frozen_with_ranker(served) == frozen_with_ranker(read_manifest(world.root, "search", first))
    assert served.lineage["canary"] == canary.version
    return served


def check_estimates(world: World, served: Manifest) -> None:
    """The estimates of the canary's users, in the tables, the manifest and MLflow."""
    estimates = {
        (row["policy"], row["slice"]): row
        for row in world.warehouse.read(table("ope_estimates")).where("judged_on = 'canary'").collect()
    }
    whole = estimates["canary-champion", "all"]
    assert (whole["impressions"], whole["estimator"], whole["as_of_date"]) == (2_000, "by_user", NEXT)
    assert whole["low"] > 0.0
    # The champion draws all plans evenly; its true value is a third.
    assert estimates["champion", "all"]["low"] < 1 / 3 < estimates["champion", "all"]["high"]
    assert served.ope["canary"]["value"] == estimates["canary", "all"]["value"]
    [one] = [one for one in read_challengers(world.warehouse.read(CHALLENGERS), NEXT) if one.canary]
    assert (one.outcome, one.ended, one.canary) == ("promote", NEXT, BEGUN)
    client = MlflowClient(tracking_uri=world.settings.tracking.under(world.settings.paths.home).uri)
    [experiment] = [one for one in client.search_experiments() if one.name == world.settings.tracking.experiment]
    [job_run, *_] = client.search_runs([experiment.experiment_id], "tags.`ltrr.job` = 'publish_policy'")
    assert job_run.data.tags["canary_outcome"] == "promote"
    assert job_run.data.metrics["canary_z"] >= job_run.data.metrics["canary_critical"]


def check_rollback(world: World, served: Manifest, monkeypatch) -> None:
    """Night 3 has no canary, so the next challenger may begin.

    A person rolls back between the read of the pointer and its move: the night decides again and
    refreshes the version of the person.
    """
    moved = pointers(world.root, "search")
    publish = publish_policy.publish

    def slow(*arguments):
        monkeypatch.setattr(publish_policy, "publish", publish)
        roll_back(world.root, "search", why="clicks fell", by_whom="ada")
        return publish(*arguments)

    monkeypatch.setattr(publish_policy, "publish", slow)
    notes = world.night(THIRD, 300)
    assert (notes["canary_outcome"], notes["action"]) == ("", "refreshed")
    assert "begins with alpha" in notes["verdict"]
    *_, by_hand, by_night = pointers(world.root, "search")
    assert (by_hand.by, by_hand.sequence) == (Mover.of_person("ada", ROLLED_BACK), len(moved) + 1)
    assert (by_night.by, by_night.sequence) == (Mover.of_night(THIRD, 1, REFRESHED), len(moved) + 2)
    models = [frozen_with_ranker(read_manifest(world.root, "search", one.version)) for one in (by_hand, by_night)]
    assert models[0] == models[1] != frozen_with_ranker(served)
    # Each move is recorded once, with its author.
    assert [row for row in world.releases() if row[2] and row[2] > len(moved)] == [
        ("rolled_back", None, len(moved) + 1, None),
        ("refreshed", THIRD, len(moved) + 2, None),
    ]


def test_a_good_canary_is_refreshed_judged_on_its_users_and_promoted(spark, home, monkeypatch, tmp_path) -> None:
    world = World(spark, home, monkeypatch, tmp_path)
    first = world.begin(world.good, world.values)
    canary = check_refresh(world, first)
    served = check_promotion(world, first, canary)
    check_estimates(world, served)
    # A rerun of the night changes nothing: no pointer, no row, no version.
    rows, moved = world.releases(), pointers(world.root, "search")
    run_nightly(world.spark, world.settings, NEXT)
    assert (world.releases(), pointers(world.root, "search")) == (rows, moved)
    check_rollback(world, served, monkeypatch)


def test_a_bad_canary_ends_and_a_broken_one_too(spark, home, monkeypatch, tmp_path) -> None:
    world = World(spark, home, monkeypatch, tmp_path)
    # It draws the strategy that does not answer, and hardly explores.
    settings = replace(world.settings.policy, exploration=replace(world.settings.policy.exploration, floor_share=0.1))
    world.settings = replace(world.settings, policy=settings)
    world.begin(world.bad, {})
    world.night(DAY)
    refreshed = world.pointer.canary
    assert refreshed is not None
    notes = world.night(NEXT)
    assert (notes["action"], notes["canary_outcome"], notes["canary"]) == ("refreshed", "futile", "")
    assert world.pointer.canary is None
    assert BANDIT not in read_manifest(world.root, "search", world.pointer.version).files
    assert [row for row in world.releases() if row[1] == NEXT] == [
        ("canary_ended", NEXT, None, None),
        ("refreshed", NEXT, 4, None),
    ]
    [ended] = world.warehouse.read(table("releases")).where("action = 'canary_ended'").collect()
    assert ended["policy_version"] == refreshed.version
    assert "even a true +2% would be seen with less than 5%" in ended["why"]

    # Another canary loses a file: it ends, and the champion is refreshed as on any night.
    world.begin(world.good, world.values)
    broken = world.pointer.canary
    assert broken is not None
    champion = Policy.load(world.root / "search", world.pointer.version)
    world.logs[THIRD] = searches(300, users=60, seed=4, served_by=champion)
    (world.root / "search" / broken.version / "manifest.json").write_bytes(b"{}")
    notes = {run.job: run.notes for run in run_nightly(world.spark, world.settings, THIRD)}["publish_policy"]
    assert (notes["action"], notes["canary"]) == ("refreshed", "")
    assert world.pointer.canary is None
    ends = world.warehouse.read(table("releases")).where("action = 'canary_ended'").orderBy("run_date").collect()
    assert [row["run_date"] for row in ends] == [NEXT, THIRD]
    assert "its bundle is invalid" in ends[1]["why"]
