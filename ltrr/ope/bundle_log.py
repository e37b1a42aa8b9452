"""Rows of `estimate_log` for a published bundle, from the tables of a home.

A bundle's training data is no evidence about it (JUDGING 3). So up to the end of its data only
held-out users count. All other rows are left out and counted, each with a reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Floats
from ltrr.artifacts.manifest import Manifest, PolicySettings
from ltrr.errors import SupportError
from ltrr.evaluation.judged_impressions import is_held_out
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.logged_decision import COLUMNS, logged_decisions
from ltrr.evaluation.published import PlanningPart, list_plan_differences
from ltrr.ope.rows import SKIPPED, LogColumns

_KEPT = ("user_key", "query_key", "query_class", "policy_version", "surface", "log_date")
_ROWS_AT_ONCE = 1_024


def name_bundle_columns(settings: PolicySettings) -> LogColumns:
    """Meaning of the columns of `with_probabilities`."""
    return LogColumns(
        "target_propensities",
        reward="page_reward",
        action="action",
        action_propensities="logging_propensities",
        features=tuple(f"shared_{n}" for n in range(len(settings.shared_features))),
        fold_by="query_key",
        user="user_key",
    )


def list_comparable_versions(part: PlanningPart, logged: Mapping[str, Manifest]) -> list[str]:
    """Versions in the log with the same plans, looks and features as a bundle, in order.

    Args:
        part: The bundle to judge.
        logged: Version -> manifest, of the bundles in the log that are published here.

    Raises:
        SupportError: There is no such version; the message lists the differences.
    """
    wanted = part.manifest.settings
    differences = {version: list_plan_differences(wanted, made.settings) for version, made in logged.items()}
    alike = [version for version, why in differences.items() if not why]
    if not alike:
        shown = "; ".join(f"{version}: {', '.join(why)}" for version, why in sorted(differences.items())[:3])
        raise SupportError(
            "this log cannot evaluate this bundle",
            which=part.manifest.version,
            expected="a log of bundles with the same plans, looks and features",
            got=shown or "no bundle that is published here",
            todo="use a log of such bundles",
        )
    return sorted(alike)


def to_judged_rows(
    decisions: DataFrame,
    slate_rows: DataFrame,
    manifest: Manifest,
    versions: Collection[str],
    *,
    last_closed: date,
    held_out_percent: int,
) -> DataFrame:
    """First decision of every impression, with page_reward and the reason why the row is left out.

    The reason is null for rows that are used.

    Args:
        decisions: Decisions of the home, with `is_counted` (`users.limits`).
        slate_rows: Slate rows of the home.
        manifest: Manifest of the bundle to judge.
        versions: Versions of `list_comparable_versions`.
        last_closed: Newest date whose reward windows have ended.
        held_out_percent: Percentage of users that are held out of training.
    """
    rewards = slate_rows.groupBy("log_date", "impression_id").agg(F.sum("page_reward").alias("page_reward"))
    first = decisions.where(F.col("step") == 1).join(rewards, on=["log_date", "impression_id"], how="left")
    reward = F.coalesce(F.col("page_reward"), F.lit(0.0))
    return first.withColumns(
        {"page_reward": reward, SKIPPED: _why_excluded(manifest, versions, last_closed, held_out_percent)}
    )


def _why_excluded(manifest: Manifest, versions: Collection[str], last_closed: date, held_out_percent: int) -> Column:
    trained_until = manifest.data_window.get("last")
    seen = F.lit(False)
    if trained_until:
        seen = (F.col("log_date") <= F.lit(date.fromisoformat(trained_until))) & ~is_held_out(held_out_percent)
    return (
        F.when(F.col("served_by") != "policy", F.concat(F.lit("served by "), F.col("served_by")))
        .when(~F.col("policy_version").isin(sorted(versions)), "served by a bundle with other plans or features")
        .when(F.col("log_date") > F.lit(last_closed), "the date's reward windows are not over")
        .when(seen, "the bundle was trained on this user and date")
        .when(~F.col("is_counted"), "beyond the limits on one user")
    )


def with_probabilities(rows: DataFrame, part: PlanningPart) -> DataFrame:
    """Rows of `to_judged_rows` with the columns of `name_bundle_columns` and keys.

    A task opens the bundle once. The reward model and the propensity check need the probabilities
    of all plans, as arrays. That is fast enough for one evaluation; the nightly jobs use `scoring`
    instead.
    """
    settings = part.manifest.settings
    sent = rows.sparkSession.sparkContext.broadcast(part)
    kept = [name for name in _KEPT if name in rows.columns]
    shared = [f"shared_{n}" for n in range(len(settings.shared_features))]
    types = {name: rows.schema[name].dataType.simpleString() for name in (*kept, SKIPPED)}
    types |= {"page_reward": "double", "logging_propensity": "double", "action": "int"}
    types |= dict.fromkeys(("target_propensities", "logging_propensities"), "array<double>")
    types |= dict.fromkeys(shared, "double")

    def to_probabilities(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        policy = sent.value.policy()
        judged = JudgedPolicy("judged", policy.version, policy.space, policy.chooser)
        for batch in batches:
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                yield _probabilities(batch.slice(start, _ROWS_AT_ONCE), judged, kept, shared)

    needed = [name for name in COLUMNS if name != "query_mean"]
    chosen = rows.withColumn("query_mean", F.lit(0.0)).select(*dict.fromkeys((*needed, "query_mean", *kept, SKIPPED)))
    schema = ", ".join(f"{name} {kind}" for name, kind in types.items())
    return chosen.sortWithinPartitions("query_key").mapInArrow(to_probabilities, schema)


def _probabilities(batch: pa.RecordBatch, judged: JudgedPolicy, kept: list[str], shared: list[str]) -> pa.RecordBatch:
    """The columns of `with_probabilities`; rows that are left out have no probabilities."""
    is_judged = batch.column(SKIPPED).is_null().to_numpy(zero_copy_only=False)
    places = np.flatnonzero(is_judged)
    decisions = list(logged_decisions(batch.filter(pa.array(is_judged)), judged.space))
    logged = batch.filter(pa.array(is_judged)).select(["action_propensities", "floor"]).to_pylist()
    target = [judged.probabilities(decision) for decision in decisions]
    logging = [_expand_shortlist(row, judged) for row in logged]

    def fill_rows(values: Sequence[object]) -> list[object]:
        column: list[object] = [None] * batch.num_rows
        for place, value in zip(places.tolist(), values, strict=True):
            column[place] = value
        return column

    columns = {name: batch.column(name) for name in (*kept, SKIPPED, "page_reward", "logging_propensity")}
    columns["action"] = pa.array(fill_rows([decision.plan for decision in decisions]), pa.int32())
    columns["target_propensities"] = pa.array(fill_rows(target), pa.list_(pa.float64()))
    columns["logging_propensities"] = pa.array(fill_rows(logging), pa.list_(pa.float64()))
    for n, name in enumerate(shared):
        columns[name] = pa.array(fill_rows([float(decision.shared[n]) for decision in decisions]), pa.float64())
    return pa.RecordBatch.from_pydict(columns)


def _expand_shortlist(row: Mapping[str, Any], judged: JudgedPolicy) -> Floats:
    """Logging probability of every plan, [P]: of the shortlist as logged, else the floor."""
    p = np.full(len(judged.space), row["floor"], dtype=np.float64)
    for entry in row["action_propensities"]:
        p[judged.space.index(entry["action"])] = entry["p"]
    return p
