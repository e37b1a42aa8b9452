"""Logged pages with the features of the configured policy: a home may change its strategies."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.evaluation.judged_impressions import only_on_dates
from ltrr.evaluation.published import list_same_plan_versions
from ltrr.pipelines.night import Night

log = logging.getLogger(__name__)


def only_alike_pages(night: Night, rows: DataFrame, dates: Collection[date]) -> DataFrame:
    """Rows of pages from bundles with the strategies and features of the configured policy.

    The columns stay the same. Two sets of strategies of the same size give the same number of
    features with another meaning. If all bundles of the dates are alike, nothing is joined. That is
    the case on every night except those after a change. Pages that no bundle served stay: they have
    no logged features.

    Args:
        night: Night of a job after `ingest_logs`.
        rows: Rows of the dates, with log_date and impression_id.
        dates: Dates of the window; each has a few versions.
    """
    policy = night.settings.policy
    served = only_on_dates(night.read("impressions"), list(dates)).select("log_date", "impression_id", "policy_version")
    found = served.where("policy_version IS NOT NULL").select("policy_version").distinct().collect()
    versions = {row["policy_version"] for row in found}
    alike = list_same_plan_versions(night.policies_root, policy.name, versions, policy)
    if len(alike) == len(versions):
        return rows
    log.info("date=%s left_out=%s: other features", night.date, ",".join(sorted(versions.difference(alike))))
    pages = served.where(F.col("policy_version").isNull() | F.col("policy_version").isin(list(alike)))
    return rows.join(pages, on=["log_date", "impression_id"], how="left_semi")
