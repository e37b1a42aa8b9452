"""Rows of the table `releases`."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from ltrr.publishing.release import Release
from ltrr.spark.columns import schema_of
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table

RELEASES = table("releases")


def release_rows(spark: SparkSession, releases: Sequence[Release]) -> DataFrame:
    """A frame of the table: a few rows a night."""
    return spark.createDataFrame([release.row() for release in releases], schema_of(RELEASES)).coalesce(1)


def append_releases(warehouse: Warehouse, releases: Sequence[Release]) -> None:
    """Add the rows that are not in the table yet; nothing is ever changed."""
    if releases:
        warehouse.append_new(RELEASES, release_rows(warehouse.spark, releases))
