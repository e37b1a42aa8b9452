"""Memory of relevant entities by query: daily evidence, weekly folds, scores, parts to serve."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from math import nan

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.clicks.correction import with_examination
from ltrr.memory.churn import measure_churn
from ltrr.memory.evidence import to_daily_evidence, to_query_days
from ltrr.memory.kept_nights import nights_to_replace
from ltrr.memory.parts import store_memory_parts
from ltrr.memory.rollup import first_open_week, monday_of, to_evidence_as_of, to_weeks
from ltrr.memory.score import estimate_prior_examinations, with_predicted_score, with_score
from ltrr.pipelines.closing import weeks_to_fold
from ltrr.pipelines.counted_users import only_counted_users
from ltrr.pipelines.night import Night

log = logging.getLogger(__name__)


def run(night: Night) -> None:
    """Update evidence and weekly folds, score every pair as of D, and store the parts to serve.

    A night reads the slates of the open dates, about a week of daily evidence and `horizon_weeks`
    weeks. Its cost depends on the traffic of a day and on the number of pairs with evidence, not on
    the age of the log. Only k and the parts' hashes reach the driver.
    """
    settings, today = night.settings.memory, night.date
    daily = _update_daily_evidence(night)
    # No later night changes the oldest open date, so it counts as final here.
    open_week = first_open_week(night.settings.logs.first_open(today))
    weeks = _fold_weeks(night, daily, open_week)
    evidence = to_evidence_as_of(daily, weeks, open_week=open_week, as_of=today, half_life_days=settings.half_life_days)
    # The prediction reads pairs three times: as pairs, by entity and as a whole. Predictions are
    # read twice.
    evidence = evidence.persist(StorageLevel.MEMORY_AND_DISK)
    predicted = with_predicted_score(evidence, settings.entity_prior_examinations)
    predicted = predicted.persist(StorageLevel.MEMORY_AND_DISK)
    k = estimate_prior_examinations(predicted, settings)
    scored = with_score(predicted, k, settings.interval_sigmas)
    columns = ("query_key", "entity_id", "score", "low", "high", "predicted_share")
    memory = scored.select(F.lit(today).alias("as_of_date"), *columns, "weighted_clicks", "weighted_examinations")
    night.write("q2e_memory", memory, nights_to_replace(today, settings.keep_nights))
    parts = store_memory_parts(memory, f"{night.policies_root}/{night.settings.policy.name}", settings)
    night.note(memory_parts=parts, memory_prior_examinations=k)
    _note_churn(night)


def _update_daily_evidence(night: Night) -> DataFrame:
    """Replace evidence and queries of the open dates; returns the daily evidence of all dates."""
    today, first_open = night.date, night.first_open
    is_open = F.col("log_date").between(F.lit(first_open), F.lit(today))
    open_dates = f"log_date >= DATE'{first_open}' AND log_date <= DATE'{today}'"
    curves = night.read("examination").where(F.col("as_of_date") >= F.lit(first_open))
    slate_rows = with_examination(only_counted_users(night, night.read("slate_rows").where(is_open)), curves)
    # Computed once, then written, folded and scored. These are the pairs of the open dates, on disk
    # if memory is full.
    open_evidence = to_daily_evidence(slate_rows).persist(StorageLevel.MEMORY_AND_DISK)
    night.write("q2e_daily", open_evidence, open_dates)
    night.write("queries", to_query_days(night.read("impressions").where(is_open)), open_dates)
    earlier = night.read_own_previous("q2e_daily").where(F.col("log_date") < F.lit(first_open))
    return earlier.unionByName(open_evidence)


def _fold_weeks(night: Night, daily: DataFrame, open_week: date) -> DataFrame:
    """Fold the weeks that closed into `q2e_rollup`; returns the folded weeks within the horizon.

    Args:
        night: Night of the job.
        daily: Daily evidence of all dates.
        open_week: Monday of the first week that a later night may still change.
    """
    settings, first_open = night.settings.memory, night.settings.logs.first_open(night.date)
    weeks = night.read_own_previous("q2e_rollup").where(
        F.col("period_start") >= F.lit(open_week - timedelta(weeks=settings.horizon_weeks))
    )
    closed = weeks_to_fold(night, "q2e_rollup", settings.horizon_weeks)
    if not closed.where("period_start"):
        return weeks
    # The range lets the engine skip partitions; the weeks decide which of its dates count.
    first_written = min(closed.written, default=open_week)
    in_range = daily.where(F.col("log_date").between(F.lit(first_written), F.lit(first_open)))
    days = closed.only_written(in_range.withColumn("week", monday_of(F.col("log_date"))), "week")
    folded = to_weeks(days, settings.half_life_days).persist(StorageLevel.MEMORY_AND_DISK)
    night.write("q2e_rollup", folded, closed.where("period_start"))
    return weeks.where(~F.col("period_start").isin(list(closed.written))).unionByName(folded)


def _note_churn(night: Night) -> None:
    """Note the changes of the memory that the searches of the date see.

    The gate does not judge a refresh. `docs/concepts/memory.md` says when to examine its changes.
    """
    today = night.date
    searched = night.read_written("queries").where(F.col("log_date") == F.lit(today))
    churn = measure_churn(
        night.read_own_previous("q2e_memory").where(F.col("as_of_date") == F.lit(today - timedelta(days=1))),
        night.read_written("q2e_memory").where(F.col("as_of_date") == F.lit(today)),
        searched,
    )
    known = churn.known / churn.searches if churn.searches else nan
    night.note(memory_churn=churn.share, memory_known=known)
    log.info("date=%s searches=%d known=%d changed=%d", today, churn.searches, churn.known, churn.changed)
