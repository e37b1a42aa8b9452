"""Rows of the table `challengers` from trials, and trials from rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from math import inf, isfinite
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.artifacts.learned_values import LearnedValues
from ltrr.core.exploration import ExplorationSettings
from ltrr.estimation.intervals import Estimate
from ltrr.estimation.sequential import Look
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import BANDIT_TRIAL, CANARY_TRIAL, Challenger, FrozenBandit
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table

CHALLENGERS = table("challengers")


def challenger_rows(spark: SparkSession, day: date, challengers: Sequence[Challenger]) -> DataFrame:
    """A frame of the table, a few rows per night."""
    return spark.createDataFrame([_row(day, one) for one in challengers], schema_of(CHALLENGERS)).coalesce(1)


def read_challengers(challengers: DataFrame, day: date) -> list[Challenger]:
    """The trials of every policy at the end of a night, oldest first."""
    rows = challengers.where(F.col("as_of_date") == F.lit(day)).orderBy("trial").collect()
    return [_challenger(row.asDict(recursive=True)) for row in rows]


def read_trials(challengers: DataFrame, policy: str, day: date, gate: GateSettings) -> list[Challenger]:
    """The trials of one policy at the end of a night, from its newest date, oldest trial first.

    A home may serve a policy of another name on some nights, which then have no rows of this
    policy. Its trials hold their alpha meanwhile. Trials of a date older than `budget_nights` hold
    no alpha. The driver collects a few trials per night, of `budget_nights` nights.
    """
    first = day - timedelta(days=gate.budget_nights)
    rows = challengers.where(F.col("as_of_date").between(F.lit(first), F.lit(day)) & (F.col("policy") == F.lit(policy)))
    read = rows.orderBy("as_of_date", "trial").collect()
    return [_challenger(row.asDict(recursive=True)) for row in read if row["as_of_date"] == read[-1]["as_of_date"]]


def _row(day: date, one: Challenger) -> dict[str, Any]:
    values = one.bandit.values
    return {
        "as_of_date": day,
        "trial": one.trial,
        "begun": one.begun,
        "data_end": one.data_end,
        "policy": one.bandit.policy,
        "files": dict(one.bandit.files),
        "values": None if values is None else json.dumps(values.to_plain(), sort_keys=True),
        "exploration": json.dumps(one.bandit.exploration.to_json(), sort_keys=True),
        "against": one.against,
        "alpha": one.alpha,
        "night": one.night,
        "outcome": one.outcome,
        "ended": one.ended,
        "looks": [
            {
                "night": look.night,
                "difference": look.difference.value,
                "standard_error": look.difference.standard_error,
            }
            for look in one.looks
        ],
        "critical": one.critical if isfinite(one.critical) else None,
        "slices": dict(one.slices),
        "why": one.why,
        "mlflow_run_id": one.run_id,
        "canary": one.canary or None,
        "kind": one.kind,
        "waited": one.waited,
    }


def _challenger(row: dict[str, Any]) -> Challenger:
    values = None if row["values"] is None else LearnedValues(**json.loads(row["values"]))
    exploration = ExplorationSettings(**json.loads(row["exploration"]))
    return Challenger(
        bandit=FrozenBandit(row["policy"], row["files"], values, exploration),
        begun=row["begun"],
        data_end=row["data_end"],
        against=row["against"],
        alpha=row["alpha"],
        night=row["night"],
        outcome=row["outcome"],
        ended=row["ended"],
        looks=tuple(Look(look["night"], Estimate(look["difference"], look["standard_error"])) for look in row["looks"]),
        critical=inf if row["critical"] is None else row["critical"],
        slices=row["slices"],
        why=row["why"],
        run_id=row["mlflow_run_id"],
        canary=row["canary"] or "",
        waited=row["waited"] or 0,
        kind=row["kind"] or (CANARY_TRIAL if row["canary"] else BANDIT_TRIAL),
    )
