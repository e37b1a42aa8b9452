"""Ingestion by ltrr, and plain Spark's read, join and Delta write; in a process each.

python -m benchmarks.ingest_study.spark_ways WAY HOME FORM [JAVA_OPTIONS]
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.ingest_study.logs import NIGHT, STRATEGIES
from benchmarks.ingest_study.steps import conf_of_events, read_steps
from ltrr.artifacts.manifest import PolicySettings
from ltrr.config import Settings
from ltrr.config.settings import PathSettings
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.pipelines import ingest_logs
from ltrr.pipelines.night import Night
from ltrr.spark.commits import CommitLog
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import SparkSettings, build_session


def ingest(spark: SparkSession, settings: Settings) -> tuple[int, int]:
    """`ingest_logs` of the night; returns the numbers of slate rows and clicks."""
    warehouse = Warehouse(spark, settings.paths.tables)
    night = Night(NIGHT, "ingest_logs", settings, spark, warehouse, CommitLog(warehouse))
    ingest_logs.run(night)
    rows = night.read_written("slate_rows").agg(F.count(F.lit(1)), F.sum("clicks")).collect()[0]
    return rows[0], rows[1]


def read_and_write(spark: SparkSession, settings: Settings, form: str) -> tuple[int, int]:
    """Read with Spark's JSON reader, join the clicks, and write slates, searches and events."""
    logs, out = f"{settings.paths.logs}/dt={NIGHT}", settings.paths.tables
    lines = spark.read.json(f"{logs}/*.ndjson").persist()
    shown, clicks = _ubi(lines) if form == "ubi" else _ltrr(lines)
    counted = clicks.groupBy("id", "entity_id").agg(F.count(F.lit(1)).alias("clicks"))
    slates = shown.join(counted, on=["id", "entity_id"], how="left").fillna({"clicks": 0})
    slates.write.format("delta").save(f"{out}/slates")
    searches = lines.where("user_query IS NOT NULL" if form == "ubi" else "query_text IS NOT NULL")
    searches.write.format("delta").save(f"{out}/searches")
    clicks.write.format("delta").save(f"{out}/events")
    rows = spark.read.format("delta").load(f"{out}/slates").agg(F.count(F.lit(1)), F.sum("clicks")).collect()[0]
    return rows[0], rows[1]


def _ubi(lines: DataFrame) -> tuple[DataFrame, DataFrame]:
    shown = lines.where("user_query IS NOT NULL").select(
        F.col("query_id").alias("id"), "user_query", "client_id", F.posexplode("query_response_hit_ids")
    )
    clicks = lines.where("action_name = 'click'").select(
        F.col("query_id").alias("id"), F.col("event_attributes.object.object_id").alias("entity_id"), "timestamp"
    )
    return shown.withColumnRenamed("col", "entity_id"), clicks


def _ltrr(lines: DataFrame) -> tuple[DataFrame, DataFrame]:
    shown = lines.where("query_text IS NOT NULL").select(
        F.col("impression_id").alias("id"), "query_text", "user", F.explode("slate").alias("row")
    )
    clicks = lines.where("kind = 'click'").select(F.col("impression_id").alias("id"), "entity_id", "at")
    return shown.select("id", "query_text", "user", "row.*"), clicks


def main(way: str, home: str, form: str, java_options: str | None = None) -> None:
    """Run one way and print seconds, rows, clicks and steps as JSON."""
    os.environ.setdefault(SECRET_VARIABLE, "a secret of the benchmark")
    policy = PolicySettings("search", STRATEGIES, 5, 2)
    events = Path(home) / f"events-{way}"
    events.mkdir()
    options = {} if java_options is None else {"java_options": java_options}
    settings = Settings(
        policy=policy,
        history_starts=NIGHT,
        paths=PathSettings(home=Path(home)),
        spark=SparkSettings(conf=conf_of_events(events), **options),
    )
    spark = build_session(f"ingest {way}", settings.spark)
    spark.range(1_000).repartition(2).count()
    started = time.monotonic()
    rows, clicks = ingest(spark, settings) if way == "ltrr" else read_and_write(spark, settings, form)
    seconds = time.monotonic() - started
    spark.stop()
    found = {"seconds": seconds, "rows": rows, "clicks": clicks, "steps": read_steps(events)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
