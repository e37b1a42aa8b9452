"""Attribution: each event of a night is joined to its impression, waits for it, or is rejected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.logs.service_records import OBSERVATION_KIND
from ltrr.logs.settings import EventKind, LogSettings


def is_inside_window(
    event_at: Column,
    impression_at: Column,
    kind: Column,
    kinds: Mapping[str, EventKind],
    clock_skew_seconds: float = 0.0,
) -> Column:
    """Whether an event lies between its impression and the end of its window, both included.

    The clock of the event may be behind that of the impression by `clock_skew_seconds`.

    >>> rows = spark.sql('''select * from values
    ...     (timestamp'2026-03-02 12:00:00', "click"), (timestamp'2026-03-02 12:30:00', "click"),
    ...     (timestamp'2026-03-02 12:30:01', "click"), (timestamp'2026-03-03 12:00:00', "purchase"),
    ...     (timestamp'2026-03-02 11:59:59', "click") as t(at, kind)''')
    >>> served = F.lit("2026-03-02 12:00:00").cast("timestamp")
    >>> inside = is_inside_window(F.col("at"), served, F.col("kind"), LogSettings().kinds)
    >>> [row.inside for row in rows.select(inside.alias("inside")).collect()]
    [True, True, False, True, False]
    >>> kinds = LogSettings().kinds
    >>> inside = is_inside_window(F.col("at"), served, F.col("kind"), kinds, clock_skew_seconds=1.0)
    >>> [row.inside for row in rows.select(inside.alias("inside")).collect()]
    [True, True, False, True, True]
    """
    windows = F.create_map(*chain.from_iterable((F.lit(k), F.lit(v.window_minutes)) for k, v in kinds.items()))
    end = impression_at + F.make_dt_interval(mins=windows[kind])
    first = impression_at - F.make_dt_interval(secs=F.lit(clock_skew_seconds))
    return (event_at >= first) & (event_at <= end)


def settle_events(
    events: DataFrame,
    impressions: DataFrame,
    slates: DataFrame | None,
    night: date,
    settings: LogSettings,
    first_open: date,
) -> DataFrame:
    """Add the status and reason of every event, and the date of its impression; same rows.

    An event with an impression is `joined`, with these exceptions: the date of the impression is
    closed (`late`), the impression did not show the entity (`not_shown`), or the time is outside
    the window (`outside_window`). An event without an impression waits for `late_days` nights and
    is then `unmatched`. It is `late` at once if its own date was closed when it arrived. An
    observation of a decision service whose decision is known is `after_label`: the decision has its
    reward already.

    An event does not carry the date of its impression, so it belongs to the newest impression of
    its id. Several impressions of one id are kept only if `late_days` or a window has grown since
    a service used the id again.

    At 1,000x the data there are two shuffles of narrow rows by impression_id. Impressions reach
    back `late_days` days beyond the open dates.

    Args:
        events: Rows with event_id, impression_id, entity_id, kind, at, arrival_date and more; each
            event_id once.
        impressions: Rows with impression_id, at and log_date, of the dates that are kept, and
            may_grow: whether the slate comes from events and responses.
        slates: Rows with log_date, impression_id and entity_id, of the open dates; each once. None
            for events that say themselves that their entity was shown.
        night: Logical date.
        settings: Windows of events, and nights that an event waits.
        first_open: Oldest date that may still change.
    """
    newest = impressions.groupBy("impression_id").agg(F.max(F.struct("log_date", "at", "may_grow")).alias("newest"))
    may_grow = F.col("newest.may_grow") & (F.col("newest.log_date") > F.lit(first_open))
    served = newest.select(
        "impression_id", F.col("newest.at").alias("served_at"), "newest.log_date", may_grow.alias("may_grow")
    )
    matched = events.join(served, on="impression_id", how="left")
    if slates is None:
        matched = matched.withColumn("is_shown", F.lit(True))
    else:
        shown = slates.select("log_date", "impression_id", "entity_id", F.lit(True).alias("is_shown"))
        matched = matched.join(shown, on=["log_date", "impression_id", "entity_id"], how="left")
    waits = F.col("served_at").isNull() | F.col("is_shown").isNull()
    status = F.when(F.col("reason").isNotNull(), "rejected").when(waits, "waiting").otherwise("joined")
    return (
        matched.withColumn("reason", _reason(night, settings, F.lit(first_open)))
        .withColumn("status", status)
        .withColumn("settled_date", F.lit(night))
        .withColumn("log_date", F.when(F.col("status") != "waiting", F.col("log_date")))
        .drop("served_at", "is_shown", "may_grow")
    )


def _reason(night: date, settings: LogSettings, first_open: Column) -> Column:
    """Reason why a matched event is rejected; null if it is not."""
    arrives_too_late = (F.col("arrival_date") == F.lit(night)) & (F.to_date("at") < first_open)
    has_expired = F.col("arrival_date") <= F.lit(settings.newest_expired_arrival(night))
    is_inside = is_inside_window(
        F.col("at"), F.col("served_at"), F.col("kind"), settings.kinds, settings.clock_skew_seconds
    )
    return (
        F.when(F.col("served_at").isNull(), F.when(arrives_too_late, "late").when(has_expired, "unmatched"))
        .when(F.col("log_date") < first_open, "late")
        .when(F.col("kind") == OBSERVATION_KIND, "after_label")
        .when(F.col("is_shown").isNull(), F.when(~F.col("may_grow"), "not_shown"))
        .when(~is_inside, "outside_window")
    )


def event_detail(reason: Column) -> Column:
    """Detail in `rejected_rows` of a well-formed event that cannot count.

    >>> spark.range(1).select(event_detail(F.lit("not_shown")).alias("detail")).head().detail
    'entity_id: expected one of the slate of the impression, got another'
    """
    return (
        F.when(reason == "late", "at: expected an impression of an open date, got one of a closed date")
        .when(reason == "not_shown", "entity_id: expected one of the slate of the impression, got another")
        .when(reason == "after_label", "RewardValue: expected in the label of the decision, got a later line")
        .when(reason == "outside_window", "at: expected a time within the window of its kind, got another")
        .otherwise("impression_id: expected that of an impression, got no such impression within late_days")
    )
