"""Training rows of the dates that close on this night, and a ranker, compared with fusion."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.payloads import put_payload
from ltrr.clicks.correction import with_examination
from ltrr.pipelines.alike_pages import only_alike_pages
from ltrr.pipelines.closing import ClosedPeriods, dates_to_write
from ltrr.pipelines.counted_users import only_counted_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import RankerNotes
from ltrr.ranking.judging import CANDIDATE, FUSION, OrderQuality, judge_orders
from ltrr.ranking.rows import only_judging, only_of_width, only_training, to_ranking_rows
from ltrr.ranking.training import train_ranker
from ltrr.spark.columns import empty
from ltrr.tables.catalog import table
from ltrr.tracking.run import TrackedRun

log = logging.getLogger(__name__)


def run(night: Night) -> None:
    """Write `ranking_rows` of the dates that close on this night, train and judge the ranker.

    The job stores the booster and notes its hash and figures. One date closes per night while the
    settings stay the same; `pipelines.closing` describes a change of the longest reward window. A
    night reads the slates of these dates and the training rows of the window's closed dates,
    whatever the age of the log. Without a closed date there is no training data: the table is
    empty, and no ranker is noted.

    Raises:
        NotReadyError: The number of free task slots is below the number of workers of the ranker.
    """
    window = night.closed_dates(night.settings.ranker.window_nights)
    dates = dates_to_write(night, "ranking_rows", night.settings.ranker.window_nights, RankerNotes)
    if not window:
        yesterday = night.date - timedelta(days=1)
        where = dates.where("log_date") or f"log_date = DATE'{yesterday}'"
        night.write("ranking_rows", empty(night.spark, table("ranking_rows")), where)
        log.info("date=%s ranker=none: no date has closed yet", night.date)
        return
    with night.tracking.run(night.job) as tracked:
        _write_rows(night, dates)
        tracked.params(_run_parameters(night, window))
        in_window = F.col("log_date").between(F.lit(window[0]), F.lit(window[-1]))
        alike = only_alike_pages(night, night.read_written("ranking_rows").where(in_window), window)
        rows = only_counted_users(night, alike)
        _train(night, rows, tracked)


def _write_rows(night: Night, dates: ClosedPeriods) -> None:
    slates = dates.only_written(night.read("slate_rows"))
    curves = dates.only_since(night.read("examination"), "as_of_date")
    rows = to_ranking_rows(
        with_examination(slates, curves),
        night.settings.clicks.examination_floor,
        night.settings.ranker.gain_cap,
    )
    night.write("ranking_rows", rows, dates.where("log_date"))


def _train(night: Night, rows: DataFrame, tracked: TrackedRun) -> None:
    settings, policy = night.settings.ranker, night.settings.policy
    names = [feature.name for feature in policy.ranker_features]
    held_out = (night.settings.evaluation.held_out_percent, settings.held_out_query_percent)
    known = only_of_width(rows, len(names))
    model = train_ranker(only_training(known, *held_out), names, settings)
    if model is None:
        log.info("date=%s ranker=none: too few clicked queries", night.date)
        return
    judging = only_judging(known, *held_out)
    models = {CANDIDATE: model, FUSION: None}
    quality = judge_orders(judging, models, names.index("fusion"), settings.ndcg_positions)
    payload = put_payload(f"{night.policies_root}/{policy.name}", model)
    tracked.metrics({**quality.figures(), "model_bytes": payload.size})
    tracked.tags({"ranker_sha256": payload.sha256})
    tracked.artifact_bytes("ranker.ubj", model)
    tracked.artifact_json("features.json", names)
    _note(night, quality, payload.sha256, tracked.run_id)


def _note(night: Night, quality: OrderQuality, sha256: str, run_id: str) -> None:
    """Note the model and its report on held-out queries of held-out users, for the gate."""
    night.note(ranker_sha256=sha256, mlflow_run_id=run_id, **quality.figures())
    log.info(
        "date=%s ranker=%s dcg=%.4f fusion=%.4f queries=%d",
        *(night.date, sha256[:12], quality.value(CANDIDATE).value, quality.value(FUSION).value, quality.queries),
    )


def _run_parameters(night: Night, window: list[date]) -> dict[str, object]:
    """Parameters of the training run for MLflow, by name."""
    return {
        "first_date": window[0],
        "last_date": window[-1],
        "strategies": ",".join(night.settings.policy.strategies),
        "held_out_percent": night.settings.evaluation.held_out_percent,
        "examination_floor": night.settings.clicks.examination_floor,
        **asdict(night.settings.ranker),
    }
