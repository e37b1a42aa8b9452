"""The look of a query's newest logged search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.looks import blocks_of_rows, facts_of_rows
from ltrr.core.facts import overlaps_of
from ltrr.core.planning import Block
from ltrr.core.situation import Situation


@dataclass(frozen=True, eq=False)
class LoggedLook:
    """Blocks that were visible before one logged choice.

    Args:
        impression_id: Identifier of the search.
        at: Time of serving, UTC, as text.
        situation: Time and place of the search, with the context that the service gave.
        version: Version of the policy that served it.
        blocks: Blocks that were visible before the choice.
        overlaps: Overlaps of their candidates with the query, by entity_id, where they were logged.
    """

    impression_id: str
    at: str
    situation: Situation
    version: str
    blocks: Sequence[Block]
    overlaps: Mapping[str, tuple[float, ...]]


def newest_look(decisions: DataFrame, impressions: DataFrame, key: str, observe: str) -> LoggedLook | None:
    """The look of the newest impression of a query whose policy observed the same blocks.

    None if there is no such impression. Spark reads one query's rows of both tables, and one row
    reaches the driver.

    Args:
        decisions: Rows of `decisions` of any dates.
        impressions: Rows of `impressions` of the same dates, for time and place of serving.
        key: Query key.
        observe: Setting `observe` of the policy to explain.
    """
    choices = decisions.where(
        (F.col("query_key") == F.lit(key)) & (F.col("step") == 1) & (F.col("observe") == F.lit(observe))
    ).select("log_date", "impression_id", "policy_version", "look")
    served = impressions.where(F.col("query_key") == F.lit(key)).select(
        "log_date", "impression_id", "at", "utc_offset_minutes", "surface", "context"
    )
    joined = choices.join(served, on=["log_date", "impression_id"], how="inner")
    newest = joined.orderBy(F.desc("at"), "impression_id").limit(1)
    newest = newest.withColumn("at", F.date_format("at", "yyyy-MM-dd'T'HH:mm:ssXXX"))
    rows = [row.asDict(recursive=True) for row in newest.collect()]
    if not rows:
        return None
    (row,) = rows
    return LoggedLook(
        row["impression_id"],
        row["at"],
        Situation.of_record(row),
        row["policy_version"],
        blocks_of_rows(row["look"]),
        overlaps_of(facts_of_rows(row["look"])),
    )
