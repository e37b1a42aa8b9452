"""Parsed lines -> rows of the log tables, as the catalog declares them."""

from __future__ import annotations

import json

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.logs.parsed_rows import NESTED, own_columns
from ltrr.logs.redaction import redact
from ltrr.tables.catalog import table


def to_impressions(decision_lines: DataFrame) -> DataFrame:
    """Parsed decision lines -> rows of `impressions`."""
    return decision_lines.select("impression.*")


def to_nested_rows(decision_lines: DataFrame, name: str) -> DataFrame:
    """Parsed decision lines -> rows of the table nested under `name`.

    They include the columns of the impression. Rows of `slate_rows` lack clicks and page_reward,
    which come from events.
    """
    own = [column.name for column in own_columns(name)]
    shared = [column.name for column in table(name).columns if column.name in _IMPRESSION_NAMES]
    exploded = decision_lines.select(
        *(F.col(f"impression.{column}").alias(column) for column in shared), F.explode(name).alias("row")
    )
    return exploded.select(*shared, *(F.col(f"row.{column}").alias(column) for column in own))


def to_rejected_rows(lines: DataFrame) -> DataFrame:
    """Rejected lines -> rows of `rejected_rows`.

    The lines have source, offset, settled_date, reason, detail, format, line_hash and excerpt. A
    well-formed line has no excerpt of its own, because every well-formed line of a kind has the
    same shape.
    """
    excerpt = F.coalesce(F.col("excerpt"), *(F.when(F.col("format") == k, F.lit(v)) for k, v in EXCERPTS.items()))
    rows = lines.withColumn("excerpt", excerpt)
    return rows.select(*(F.col(name) for name in table("rejected_rows").column_names))


_IMPRESSION_NAMES = frozenset(table("impressions").column_names)
_EVENT_KEYS = ("event_id", "impression_id", "entity_id", "kind", "at", "value")
_DECISION_KEYS = ("record_version", "ltrr_version", "impression_id", "at", "user", *NESTED[:1], "draws", "slate")
_SEARCH_KEYS = ("query_id", "timestamp", "user_query", "query_response_hit_ids")
_CHOICE_KEYS = ("_label_cost", "_label_probability", "_labelIndex", "Timestamp", "EventId")
_OBSERVATION_KEYS = ("RewardValue", "EnqueuedTimeUtc", "EventId", "Observations")
EXCERPTS = {
    "decision": redact(json.dumps(dict.fromkeys(_DECISION_KEYS, 0))),
    "event": redact(json.dumps(dict.fromkeys(_EVENT_KEYS, 0))),
    "choice": redact(json.dumps(dict.fromkeys(_CHOICE_KEYS, 0))),
    "observation": redact(json.dumps(dict.fromkeys(_OBSERVATION_KEYS, 0))),
    "search": redact(json.dumps(dict.fromkeys(_SEARCH_KEYS, 0))),
}
"""Format -> excerpt of a well-formed line that is rejected because of other rows."""
