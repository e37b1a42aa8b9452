"""Rows of the table `releases`."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from ltrr.publishing.release import Release
from ltrr.spark.columns import schema_of
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table

RELEASES = table("releases")


def release_rows(spark: SparkSession, policy: str, releases: Sequence[Release]) -> DataFrame:
    """A frame of the table for one policy, a few rows per night."""
    rows = [release.row() | {"policy": policy} for release in releases]
    return spark.createDataFrame(rows, schema_of(RELEASES)).coalesce(1)


def append_releases(warehouse: Warehouse, policy: str, releases: Sequence[Release]) -> None:
    """Add the rows that are not in the table yet; existing rows never change."""
    if releases:
        warehouse.append_new(RELEASES, release_rows(warehouse.spark, policy, releases))
