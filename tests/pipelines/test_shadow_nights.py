"""Nights in shadow mode, the report on them, and the first canary, through the real jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltrr.artifacts.bundle import current, read_manifest
from ltrr.artifacts.pointer import current_pointer, open_policy
from ltrr.config import load_settings
from ltrr.demo.first_policy import write_demo_settings
from ltrr.estimation.verdict import DO_NOT_USE, TAKE_CARE
from ltrr.pipelines.runner import run_nightly
from ltrr.pipelines.shadow_report import make_report
from ltrr.publishing.challenger_rows import CHALLENGERS
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.serving.policy import Policy
from ltrr.shadow.first_canary import begin_first_canary
from ltrr.simulation.day import serve_day
from ltrr.simulation.music import music_world
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.disturbed.small_home import FIRST, KEY, day_of

pytestmark = [pytest.mark.spark, pytest.mark.long, pytest.mark.timeout(3600)]

NIGHTS, SEARCHES = 3, 300


def test_nobody_is_served_until_the_canary_and_then_only_its_users(
    spark, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    world = music_world(artists=20, queries=60, hybrid=False, semantic=False)
    write_demo_settings(home, world.policy_settings(), FIRST)
    settings = load_settings(home, None, ["shadow.floors=[0.1,0.2]", "values.fewest_queries=10"])
    root, name = settings.paths.policies, settings.policy.name
    publish_first_champion(root, settings.policy, FIRST, shadow=True)
    store, warehouse = open_policy(root, name), Warehouse(spark, settings.paths.tables)

    def run_day(number: int) -> None:
        policy = Policy.load(store.url)
        serve_day(world, policy, day_of(number), impressions=SEARCHES, seed=number, logs_root=Path(settings.paths.logs))
        run_nightly(spark, settings, day_of(number))

    for number in range(NIGHTS):
        run_day(number)
        assert read_manifest(root, name, current(root, name)).shadow
    impressions, decisions = warehouse.read(table("impressions")), warehouse.read(table("decisions"))
    assert impressions.where("served_by != 'static'").count() == 0
    assert decisions.where("is_shadow").count() == decisions.count() == NIGHTS * SEARCHES
    # The newest policy has learned values without a trial, because no user is served by them.
    assert warehouse.read(CHALLENGERS).count() == 0
    champion = read_manifest(root, name, current(root, name))
    assert champion.values is not None
    assert warehouse.read(table("q2e_memory")).count() > 0

    report = make_report(warehouse, settings, champion.version)
    assert report.decisions == sum(gain.searches for key, gain in report.gains.items() if key != "all")
    closed = (settings.logs.first_open(day_of(NIGHTS - 1)) - FIRST).days + 1
    assert report.decisions == closed * SEARCHES
    assert report.whole.verdict in (TAKE_CARE, DO_NOT_USE)
    assert report.whole.reasons
    assert 0.0 < report.whole.same_plan <= 1.0
    assert report.whole.low <= report.whole.gain <= report.whole.high

    begin_first_canary(root, name, champion.version, 0.4, report.floor, why="a test", by_whom="someone")
    run_day(NIGHTS)
    run_day(NIGHTS + 1)
    day = warehouse.read(table("impressions")).where(f"log_date = DATE'{day_of(NIGHTS)}'")
    served = {
        (row.served_by, row.version_propensity): row["count"]
        for row in day.groupBy("served_by", "version_propensity").count().collect()
    }
    assert served.keys() == {("static", 0.6), ("policy", 0.4)}
    judged = warehouse.read(table("ope_estimates")).where("judged_on = 'canary' AND slice = 'all'")
    last = {row.policy: row.impressions for row in judged.where(f"as_of_date = DATE'{day_of(NIGHTS + 1)}'").collect()}
    assert last["champion"] == served["static", 0.6]
    assert last["canary"] == served["policy", 0.4]
    assert current_pointer(store).canary is not None
    assert read_manifest(root, name, current(root, name)).shadow
