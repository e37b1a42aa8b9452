"""Sums daily evidence over weeks, and decays days and weeks to a date.

A week is closed by decaying each of its days to its Sunday. Later the week is decayed to the date
of reading. Since 0.5^(a+b) = 0.5^a 0.5^b, weeks and days give the same sums, up to rounding to
2^-20 (Cormode et al., "Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE
2009). Squares have the squared weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.spark.fixed_point import decay_weight

DAYS_PER_WEEK = 7
_SUMS = {"clicks": 1, "clicks_squared": 2, "examinations": 1, "examinations_squared": 2}


def week_of(day: date) -> date:
    """The Monday of the week of `day`.

    >>> week_of(date(2026, 3, 8)), week_of(date(2026, 3, 9))
    (datetime.date(2026, 3, 2), datetime.date(2026, 3, 9))
    """
    return day - timedelta(days=day.weekday())


def monday_of(day: Column) -> Column:
    """`week_of` for a column.

    >>> days = spark.sql("SELECT DATE'2026-03-08' day")
    >>> days.select(monday_of(F.col("day")).alias("monday")).first().monday
    datetime.date(2026, 3, 2)
    """
    return F.date_trunc("week", day).cast("date")


def _decayed_sums(age_days: Column, half_life_days: float) -> list[Column]:
    weight = decay_weight(age_days, half_life_days)
    return [
        F.sum(F.rint(F.col(name) * (weight if power == 1 else weight * weight)).cast("bigint")).alias(name)
        for name, power in _SUMS.items()
    ]


def to_weeks(daily: DataFrame, half_life_days: float) -> DataFrame:
    """(log_date, query_key, entity_id) -> (period_start, query_key, entity_id).

    Days are decayed to the Sunday of their week.

    >>> days = spark.sql('''SELECT log_date, 'love' query_key, 'e1' entity_id, 1048576L clicks,
    ...     1048576L clicks_squared, 1048576L examinations, 1048576L examinations_squared
    ...     FROM VALUES (DATE'2026-03-07'), (DATE'2026-03-08') AS t(log_date)''')
    >>> weeks = to_weeks(days, half_life_days=1.0)
    >>> weeks.select("period_start", "clicks", "clicks_squared").collect()
    [Row(period_start=datetime.date(2026, 3, 2), clicks=1572864, clicks_squared=1310720)]
    """
    dated = daily.withColumn("period_start", monday_of(F.col("log_date")))
    age_days = F.lit(DAYS_PER_WEEK - 1) - F.date_diff("log_date", "period_start")
    return dated.groupBy("period_start", "query_key", "entity_id").agg(*_decayed_sums(age_days, half_life_days))


def first_open_week(last_final: date) -> date:
    """The Monday of the first week that cannot be closed yet.

    Args:
        last_final: Last date whose rows will not change.

    >>> first_open_week(date(2026, 3, 7)), first_open_week(date(2026, 3, 8))
    (datetime.date(2026, 3, 2), datetime.date(2026, 3, 9))
    """
    return week_of(last_final + timedelta(days=1))


def to_evidence_as_of(
    daily: DataFrame, weeks: DataFrame, *, open_week: date, as_of: date, half_life_days: float
) -> DataFrame:
    """Days of open weeks and closed weeks -> (query_key, entity_id), fixed point at `as_of`.

    Dates before the Monday `open_week` come from `weeks`, later dates up to `as_of` from `daily`,
    so each date counts once. The scan grows with the number of weeks, not of days: with the default
    settings it reads 26 weeks and at most a few days more than one week. Evidence of the empty
    query_key, which earlier versions of ltrr wrote, is left out.
    """
    days = daily.where(F.col("log_date").between(F.lit(open_week), F.lit(as_of))).withColumn(
        "age_days", F.date_diff(F.lit(as_of), F.col("log_date"))
    )
    closed = weeks.where(F.col("period_start") < F.lit(open_week)).withColumn(
        "age_days", F.date_diff(F.lit(as_of), F.col("period_start")) - F.lit(DAYS_PER_WEEK - 1)
    )
    columns = ["query_key", "entity_id", "age_days", *_SUMS]
    evidence = days.select(*columns).unionByName(closed.select(*columns))
    asked = evidence.where(F.col("query_key") != "")
    return asked.groupBy("query_key", "entity_id").agg(*_decayed_sums(F.col("age_days"), half_life_days))


@dataclass(frozen=True)
class MemoryPeriod:
    """Which days and weeks make the memory as of a date.

    Attributes:
        as_of: Date of the memory, its newest day.
        open_week: Monday from which on days count; the weeks before it are folded.
        first_week: Monday of the oldest week that counts.
    """

    as_of: date
    open_week: date
    first_week: date

    @staticmethod
    def of(as_of: date, last_final: date, horizon_weeks: int) -> MemoryPeriod:
        """The period that the night of `as_of` reads.

        Args:
            as_of: Date of the night.
            last_final: Last date whose rows do not change after that night.
            horizon_weeks: Number of weeks of the memory.
        """
        open_week = first_open_week(last_final)
        return MemoryPeriod(as_of, open_week, open_week - timedelta(weeks=horizon_weeks))


def to_evidence_of_dates(
    daily: DataFrame, weeks: DataFrame, periods: Sequence[MemoryPeriod], half_life_days: float
) -> DataFrame:
    """Days and closed weeks -> (as_of_date, query_key, entity_id), fixed point at each date.

    For each period these are the rows of `to_evidence_as_of`. The work is that of one memory for
    each period: a night after the first has one, and a history at most a window of the ranker.

    Args:
        daily: Rows of `q2e_daily`.
        weeks: Rows of `q2e_rollup`, with every week before the newest `open_week`.
        periods: At least one.
        half_life_days: Age at which evidence counts half.
    """
    columns = "as_of_date date, open_week date, first_week date"
    rows = [(period.as_of, period.open_week, period.first_week) for period in periods]
    wanted = F.broadcast(daily.sparkSession.createDataFrame(rows, columns))
    # The bounds over all periods let the engine skip partitions; the join does not.
    days = daily.where(
        F.col("log_date").between(F.lit(min(row[1] for row in rows)), F.lit(max(row[0] for row in rows)))
    ).join(wanted, on=F.col("log_date").between(F.col("open_week"), F.col("as_of_date")), how="inner")
    closed = weeks.where(
        (F.col("period_start") >= F.lit(min(row[2] for row in rows)))
        & (F.col("period_start") < F.lit(max(row[1] for row in rows)))
    ).join(
        wanted,
        on=(F.col("period_start") >= F.col("first_week")) & (F.col("period_start") < F.col("open_week")),
        how="inner",
    )
    of_week = F.date_diff("as_of_date", "period_start") - F.lit(DAYS_PER_WEEK - 1)
    kept = ["as_of_date", "query_key", "entity_id", "age_days", *_SUMS]
    aged = days.withColumn("age_days", F.date_diff("as_of_date", "log_date")).select(*kept)
    evidence = aged.unionByName(closed.withColumn("age_days", of_week).select(*kept)).where("query_key != ''")
    keys = ("as_of_date", "query_key", "entity_id")
    return evidence.groupBy(*keys).agg(*_decayed_sums(F.col("age_days"), half_life_days))
