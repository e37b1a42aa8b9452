"""Check of the logged propensities: a sample of each night's decisions is replayed.

If 1 % of the rows are wrong by a factor of two, 459 replayed rows contain a wrong one with 99 %
probability. The mean of the weights reveals the error with a probability of 4-72 %. So 1,000 rows
per night are replayed, or all if there are fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.looks import block_entries, blocks_of_rows, facts_of_rows
from ltrr.errors import DataQualityError
from ltrr.evaluation.judged_impressions import count_by_version, only_on_dates
from ltrr.evaluation.published import PlanningPart, read_planning_parts
from ltrr.serving.replay import replay
from ltrr.spark.hashing import HashUse, salted_hash

REPLAY = "replay"
"""Name of the check in `--accept-quality`."""

_SITUATION = ("at", "utc_offset_minutes", "surface", "context")
_COLUMNS = (
    "impression_id",
    "policy_version",
    "query_text",
    *_SITUATION,
    "action_taken",
    "logging_propensity",
    "action_propensities",
    "floor",
    "look",
)


@dataclass(frozen=True)
class ReplayCheck:
    """Result of the replay of a night's sample.

    Attributes:
        replayed: Number of replayed decisions.
        unknown: Number of sampled decisions that cannot be replayed, because their bundles are not
            published here.
        unequal: Number of replayed decisions that differ by more than the tolerance.
        worst_difference: The largest difference, 0 without replayed decisions.
        worst_impression: Impression of the largest difference.
    """

    replayed: int
    unknown: int
    unequal: int
    worst_difference: float
    worst_impression: str

    @property
    def passes(self) -> bool:
        """Whether every sampled decision was replayed and is equal within the tolerance."""
        return self.unequal == 0 and self.unknown == 0

    def check(self, night: date, tolerance: float) -> None:
        """Check that the replay passes.

        Raises:
            DataQualityError: The replay does not pass; the message names the worst decision.
        """
        if not self.passes:
            raise DataQualityError(
                f"the propensities logged on {night} differ from those of the bundles that served",
                which=f"decisions (worst: impression {self.worst_impression})" if self.unequal else "decisions",
                expected=f"propensities that differ by at most {tolerance:g} when replayed",
                got=f"{self.unequal} of {self.replayed} unequal, worst by {self.worst_difference:.3g}; "
                f"{self.unknown} of bundles that are not published here",
                todo="compare the service's bundle with its log before you judge a policy on it, "
                f"or continue without a verdict with --accept-quality '{REPLAY}:REASON'",
            )


def replay_date(
    decisions: DataFrame,
    impressions: DataFrame,
    root: str,
    name: str,
    day: date,
    *,
    sample: int,
    tolerance: float,
) -> ReplayCheck:
    """Replay a sample of one date's decisions with the bundles that served them.

    The bundles can be those of any policy below `root`.
    """
    served = only_on_dates(decisions, [day])
    versions = {version for version, _ in count_by_version(served)}
    parts = read_planning_parts(root, name, versions)
    return replay_sample(served, only_on_dates(impressions, [day]), parts, sample=sample, tolerance=tolerance)


def sample_served(decisions: DataFrame, sample: int) -> DataFrame:
    """Sample of decisions by hash of the impression; same columns.

    They are the decisions that a policy served, and those of a shadow policy, which must be as
    exact: a canary will serve such choices.
    """
    is_exact = (F.col("served_by") == "policy") | F.col("is_shadow")
    served = decisions.where(is_exact & (F.col("step") == 1))
    return served.orderBy(salted_hash(HashUse.REPLAY_SAMPLE, "impression_id"), "impression_id").limit(sample)


def replay_sample(
    decisions: DataFrame,
    impressions: DataFrame,
    parts: Mapping[str, PlanningPart],
    *,
    sample: int,
    tolerance: float,
) -> ReplayCheck:
    """Replay a sample of the decisions that a policy served, on executors.

    The sample has the smallest hashes. Each task returns at most `sample` rows, so the cost of the
    replay does not grow with the log.

    Args:
        decisions: Decisions of one date.
        impressions: Impressions of the same date, with the query as typed and the situation.
        parts: Version -> planning part, of the bundles that are published here.
        sample: Number of decisions.
        tolerance: Largest accepted difference.
    """
    typed = impressions.select("log_date", "impression_id", "query_text", *_SITUATION)
    chosen = F.broadcast(sample_served(decisions, sample))
    rows = chosen.join(typed, on=["log_date", "impression_id"], how="inner").select(*_COLUMNS)
    sent: Broadcast[dict[str, PlanningPart]] = rows.sparkSession.sparkContext.broadcast(dict(parts))

    def to_differences(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        policies = {version: part.policy() for version, part in sent.value.items()}
        for batch in batches:
            logged = batch.to_pylist()
            found = [
                None if policy is None else replay(policy, _record(row, policy.space.block_size)).worst_difference
                for row in logged
                for policy in (policies.get(row["policy_version"]),)
            ]
            ids = pa.array([row["impression_id"] for row in logged], pa.string())
            yield pa.RecordBatch.from_arrays([ids, pa.array(found, pa.float64())], ["impression_id", "difference"])

    differences = rows.mapInArrow(to_differences, "impression_id string, difference double")
    unequal = F.col("difference") > F.lit(tolerance)
    seen = differences.agg(
        F.count("difference").alias("replayed"),
        F.count_if(F.col("difference").isNull()).alias("unknown"),
        F.count_if(unequal).alias("unequal"),
        F.coalesce(F.max("difference"), F.lit(0.0)).alias("worst_difference"),
        F.coalesce(F.max_by("impression_id", "difference"), F.lit("")).alias("worst_impression"),
    ).collect()[0]
    return ReplayCheck(**seen.asDict())


def _record(row: Mapping[str, Any], block_size: int) -> dict[str, Any]:
    """The fields of a decision record that a replay needs, from the columns of a row."""
    return {
        "impression_id": row["impression_id"],
        "policy_version": row["policy_version"],
        "query_text": row["query_text"],
        "at": row["at"].isoformat(),
        "utc_offset_minutes": row["utc_offset_minutes"],
        "surface": row["surface"],
        "context": dict(row["context"]),
        "looks": block_entries(blocks_of_rows(row["look"]), block_size, facts_of_rows(row["look"])),
        "decisions": [
            {
                "shortlist": [
                    {"action": entry["action"], "propensity": entry["p"]} for entry in row["action_propensities"]
                ],
                "floor": row["floor"],
                "action_taken": row["action_taken"],
                "propensity": row["logging_propensity"],
            }
        ],
    }
