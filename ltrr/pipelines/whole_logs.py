"""Decisions of logs from which none were dropped."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.service_version import SERVICE


def without_thinned_dates(decisions: DataFrame) -> DataFrame:
    """Decisions without those of decision services on dates with a thinned log; same columns.

    A service that drops decisions (`pdrop`) drops by reward: those that stay earn more than all.
    Its lines of the date without a `pdrop` are then no fair sample either, so all of them are left
    out. `ltrr ope` weighs such lines.

    A window has few dates: the join is a broadcast.

    >>> rows = [("2026-03-02", "i1", "service", 0.0), ("2026-03-02", "i2", "service", 0.9)]
    >>> rows += [("2026-03-02", "i3", "policy", None), ("2026-03-03", "i4", "service", 0.0)]
    >>> schema = "log_date string, impression_id string, served_by string, pdrop double"
    >>> decisions = spark.createDataFrame(rows, schema)
    >>> sorted(row.impression_id for row in without_thinned_dates(decisions).collect())
    ['i3', 'i4']
    """
    thinned = decisions.where("pdrop > 0").select("log_date").distinct()
    is_of_service = F.col("served_by") == F.lit(SERVICE)
    services = decisions.where(is_of_service).join(F.broadcast(thinned), on="log_date", how="left_anti")
    return decisions.where(~is_of_service).unionByName(services.select(*decisions.columns))
