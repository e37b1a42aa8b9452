"""A reused impression id on a later date is a different impression, in all joins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.bundle import uniform_bundle
from ltrr.bandit.rows import check_unions_shown, to_bandit_rows
from ltrr.cli.logged_looks import newest_look
from ltrr.errors import SupportError
from ltrr.evaluation.canary import to_canary_terms
from ltrr.evaluation.judged_impressions import judged_impressions
from ltrr.logs.attribution import settle_events
from ltrr.logs.rewards import to_entity_rewards, with_rewards
from ltrr.logs.settings import LogSettings
from ltrr.ope.bundle_log import to_judged_rows
from ltrr.ranking.rows import to_click_groups, to_clicks, to_ranking_rows
from ltrr.spark.columns import schema_of
from ltrr.strategies.chances import to_drawn_blocks
from ltrr.strategies.daily import to_block_hits, to_strategy_days
from ltrr.tables.catalog import table
from tests.pipelines.evidence_home import LOG_TABLES, MONDAY, POLICY, SPACE, logged_day

pytestmark = pytest.mark.spark

AGAIN = MONDAY + timedelta(days=9)
Tables = dict[str, DataFrame]


@pytest.fixture(scope="module")
def logs(_session) -> tuple[Tables, Tables]:
    """Tables of two dates: with distinct ids, and with the ids of the first date reused."""
    days = [logged_day(day, 40) for day in (MONDAY, AGAIN)]
    unique = {}
    for name in LOG_TABLES:
        rows = [row for tables in days for row in tables[name]]
        unique[name] = _session.createDataFrame(rows, schema_of(table(name))).coalesce(1)
    number = F.element_at(F.split("impression_id", "-"), -1)
    reused = {name: rows.withColumn("impression_id", number) for name, rows in unique.items()}
    return unique, reused


def examined(tables: Tables) -> DataFrame:
    return tables["slate_rows"].withColumn("examination", F.lit(1.0) / F.col("position"))


def strategy_days(tables: Tables) -> DataFrame:
    hits = to_block_hits(examined(tables), tables["candidates"], 0.05)
    return to_strategy_days(to_drawn_blocks(tables["decisions"], SPACE), tables["draws"], hits, 10.0)


def with_own_rewards(tables: Tables) -> DataFrame:
    """Slates with rewards from the clicks of the log."""
    clicked = tables["slate_rows"].where("clicks > 0").withColumn("kind", F.lit("click"))
    return with_rewards(tables["slate_rows"].drop("clicks", "page_reward"), to_entity_rewards(clicked, LogSettings()))


def canary_terms(tables: Tables) -> DataFrame:
    drawn = tables["impressions"].withColumn("side", F.lit("canary")).withColumn("version_propensity", F.lit(0.5))
    return to_canary_terms(drawn, tables["slate_rows"])


def judged_by_bundle(tables: Tables) -> DataFrame:
    manifest, _ = uniform_bundle(POLICY, MONDAY)
    log = (tables["decisions"].withColumn("is_counted", F.lit(True)), tables["slate_rows"])
    return to_judged_rows(*log, manifest, ["v1"], last_closed=AGAIN, held_out_percent=30).drop("action_features")


def clicked_pages(tables: Tables) -> DataFrame:
    return to_ranking_rows(examined(tables), 0.05, 10.0)


def click_groups(tables: Tables) -> DataFrame:
    pages = clicked_pages(tables)
    return to_click_groups(pages, to_clicks(pages, query_impressions=1_000_000))


RESULTS: dict[str, Callable[[Tables], DataFrame]] = {
    "judged impressions": lambda tables: judged_impressions(tables["decisions"], tables["slate_rows"], ["v1"]),
    "impressions judged by a bundle": judged_by_bundle,
    "canary": canary_terms,
    "bandit rows": lambda tables: to_bandit_rows(tables["decisions"], examined(tables), 0.05),
    "strategy days": strategy_days,
    "rewards": with_own_rewards,
    "clicked pages": clicked_pages,
    "groups of the ranker": click_groups,
}


@pytest.mark.parametrize("name", RESULTS)
def test_an_id_used_again_is_another_impression(logs: tuple[Tables, Tables], name: str) -> None:
    once, again = (sorted(str(row) for row in RESULTS[name](tables).drop("impression_id").collect()) for tables in logs)
    assert once
    assert again == once


def test_the_newest_look_is_read_with_the_situation_of_its_own_date(logs: tuple[Tables, Tables]) -> None:
    unique, reused = (newest_look(tables["decisions"], tables["impressions"], "love", "first_look") for tables in logs)
    assert unique is not None
    assert reused is not None
    assert (reused.at, reused.situation) == (unique.at, unique.situation)
    assert reused.at.startswith(str(AGAIN))


def test_a_page_that_was_cut_off_counts_on_its_own_date_alone(spark) -> None:
    rows = [(MONDAY, "i1", True, None), (AGAIN, "i1", True, 1), (MONDAY, "i2", True, 1)]
    candidates = spark.createDataFrame(rows, "log_date date, impression_id string, is_drawn boolean, position int")
    with pytest.raises(SupportError, match=rf"candidates of {MONDAY}: .* got 50\.0%"):
        check_unions_shown(candidates, 0.4)


def test_an_event_belongs_to_the_newest_impression_of_its_id(spark) -> None:
    """Two impressions have the id if `late_days` was increased; each event still counts once."""
    settings = LogSettings(late_days=30)
    at = F.to_timestamp(F.concat(F.col("log_date").cast("string"), F.lit(" 12:00:00")))
    shown = spark.createDataFrame(
        [(MONDAY, "i1", "e1"), (AGAIN, "i1", "e1")], "log_date date, impression_id string, entity_id string"
    )
    impressions = shown.select("log_date", "impression_id").withColumns({"at": at, "may_grow": F.lit(False)})
    clicked = {"event_id": F.lit("v1"), "entity_id": F.lit("e1"), "kind": F.lit("click"), "arrival_date": F.lit(AGAIN)}
    events = impressions.where(F.col("log_date") == F.lit(AGAIN)).withColumns(clicked).drop("log_date", "may_grow")
    settled = settle_events(events, impressions, shown, AGAIN, settings, settings.first_open(AGAIN)).collect()
    assert [(row.status, row.log_date) for row in settled] == [("joined", AGAIN)]
