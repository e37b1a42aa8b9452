"""Eight toy jobs over real catalog tables: what the runner's laws are tested with.

A file `figures.json` in the home says what each date's logs hold, so that a test can mend the past.
"""

import json
from datetime import timedelta

from pyspark.sql import functions as F

from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.runner import Night


def ingest_logs(night: Night) -> None:
    """data_quality of the date: the figure in the file; rejected_rows: one row."""
    figures = json.loads((night.settings.paths.home / "figures.json").read_text())
    row = (night.date, "figure", float(figures.get(str(night.date), 0)), None, "reported", "toy")
    columns = "log_date date, check string, figure double, limit double, verdict string, detail string"
    night.write("data_quality", night.spark.createDataFrame([row], columns))
    night.write("rejected_rows", _rejected(night))
    night.note("figure", str(row[2]))


def fit_click_model(night: Night) -> None:
    """Examination: sum of all figures seen so far, on as many impressions."""
    total = night.read("data_quality").agg(F.coalesce(F.sum("figure"), F.lit(0.0)).alias("total"))
    night.write(
        "examination",
        total.select(
            F.lit(night.date).alias("as_of_date"),
            F.lit("search").alias("surface"),
            F.lit(1).alias("position"),
            F.col("total").alias("examination"),
            F.lit(None).cast("double").alias("standard_error"),
            F.lit("prior").alias("method"),
            F.lit(True).alias("is_identified"),
            F.col("total").cast("bigint").alias("impressions"),
        ),
    )


def build_memory(night: Night) -> None:
    """queries of the open dates, each with the impressions of the curve."""
    days = [night.date - timedelta(days=1), night.date]
    rows = night.spark.createDataFrame([(day,) for day in days], "log_date date")
    curve = night.read("examination").where(F.col("as_of_date") == F.lit(night.date)).select("impressions")
    columns = ("log_date", "'q' query_key", "'one_word' query_class", "impressions", "X'00' users_sketch", "1D users")
    open_dates = f"log_date IN (DATE'{days[0]}', DATE'{days[1]}')"
    night.write("queries", rows.crossJoin(curve).selectExpr(*columns), open_dates)


def nothing(night: Night) -> None:
    """A job that writes no table."""
    night.note("empty", night.job)


def _rejected(night: Night):
    row = ("decisions-1.ndjson", 1, night.date, "unreadable", "", "foreign", "00", "{")
    names = ("source", "offset", "settled_date", "reason", "detail", "format", "line_hash", "excerpt")
    return night.spark.createDataFrame([row], list(names))


TOYS = {
    **dict.fromkeys(JOBS, nothing),
    "ingest_logs": ingest_logs,
    "fit_click_model": fit_click_model,
    "build_memory": build_memory,
}
