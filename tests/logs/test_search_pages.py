"""Pages of one search: the earliest ones, and no task that grows with the documents of one id."""

from __future__ import annotations

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.logs.shown import MOST_PAGES, to_pages, with_pages

pytestmark = pytest.mark.spark

PAGE = "struct<at:timestamp,first_position:int,entity_ids:array<string>>"
KNOWN = f"impression_id string, query_text string, pages array<{PAGE}>"


def _constant(text: str) -> Column:
    """A column that Spark does not know to be constant: windows over constants have other plans."""
    return F.when(F.col("id") >= 0, text).otherwise("")


def documents(spark: SparkSession, count: int) -> DataFrame:
    """Documents of one id, a page each; every second one repeats the page before."""
    page = F.struct(
        F.timestamp_seconds("id").alias("at"),
        F.lit(1).alias("first_position"),
        F.array(F.concat(F.lit("e"), (F.col("id") / 2).cast("int").cast("string"))).alias("entity_ids"),
    )
    return (
        spark.range(count, numPartitions=8)
        .select(
            _constant("one").alias("impression_id"),
            F.timestamp_seconds("id").alias("at"),
            F.sha2(F.col("id").cast("string"), 256).alias("line_hash"),
            _constant("q").alias("query_text"),
            F.array(page).alias("pages"),
            F.lit("file").alias("source"),
            "id",
        )
        .withColumnRenamed("id", "offset")
    )


def entities(pages: DataFrame) -> list[str]:
    return sorted((row.page.entity_ids[0] for row in pages.collect()), key=lambda text: int(text[1:]))


def test_a_search_has_the_earliest_pages_whatever_the_order_of_the_lines(spark: SparkSession) -> None:
    nothing = spark.createDataFrame([], KNOWN)
    lines = documents(spark, 5_000)
    expected = [f"e{n}" for n in range(1, MOST_PAGES)]
    for rows in (lines, lines.orderBy(F.desc("offset")), lines.repartition(3, "line_hash")):
        assert entities(to_pages(rows, nothing)) == expected


def test_pages_of_two_nights_are_those_of_one(spark: SparkSession) -> None:
    nothing, lines = spark.createDataFrame([], KNOWN), documents(spark, 5_000)
    first = lines.where("offset < 60")
    search = first.where("offset = 0").select("impression_id", "query_text", "pages")
    taken = with_pages(search, to_pages(first, nothing))
    later = to_pages(lines.where("offset >= 60"), taken)
    both = with_pages(taken, later).select("pages").collect()
    whole = with_pages(search, to_pages(lines, nothing)).select("pages").collect()
    assert both == whole
    assert len(whole[0].pages) == MOST_PAGES


def test_each_task_sends_at_most_the_first_pages_of_an_id_and_text(spark: SparkSession) -> None:
    # Spark adds no limit to rows that are known to be fewer.
    plan = to_pages(documents(spark, 5_000), spark.createDataFrame([], KNOWN))._jdf.queryExecution().toString()
    limits = [line.strip() for line in plan.splitlines() if "WindowGroupLimit" in line]
    # Spark limits the rows of an id before the shuffle (Partial) that sorts them (Final).
    modes = [line.rpartition(", ")[2] for line in limits if f" {2 * MOST_PAGES}, " in line]
    assert {"Partial", "Final"} <= set(modes), limits
