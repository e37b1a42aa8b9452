"""Which logged pages have the features of the configured policy: a home may have changed its strategies."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.evaluation.judged_impressions import on_dates
from ltrr.evaluation.published import alike_versions
from ltrr.pipelines.night import Night

log = logging.getLogger(__name__)


def only_alike_pages(night: Night, rows: DataFrame, dates: Collection[date]) -> DataFrame:
    """Rows of pages from bundles with the strategies and features of the configured policy; same columns.

    Two sets of strategies of the same size give features of the same number and of another meaning. Where all bundles
    of the dates are alike, which is every night but those after a change, nothing is joined.

    Args:
        night: of a job after `ingest_logs`.
        rows: of the dates, with log_date and impression_id.
        dates: of the window; its versions are a few a night.
    """
    policy = night.settings.policy
    served = on_dates(night.read("impressions"), list(dates)).select("log_date", "impression_id", "policy_version")
    versions = {row["policy_version"] for row in served.select("policy_version").distinct().collect()}
    alike = alike_versions(night.policies_root, policy.name, versions, policy)
    if len(alike) == len(versions):
        return rows
    log.info("date=%s left_out=%s: other features", night.date, ",".join(sorted(versions.difference(alike))))
    pages = served.where(F.col("policy_version").isin(list(alike)))
    return rows.join(pages, on=["log_date", "impression_id"], how="left_semi")
