"""Training rows of the dates that close on this night, and a bandit of the closed window dates."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.payloads import get_payload, put_payload
from ltrr.bandit.learning import Planner, list_vw_arguments, train_bandit
from ltrr.bandit.rows import check_unions_shown, to_bandit_rows
from ltrr.bandit.training_rows import (
    only_capped,
    only_of_space,
    only_of_versions,
    only_served_plans,
    only_training_users,
)
from ltrr.bandit.value_learning import learn_values
from ltrr.clicks.correction import with_examination
from ltrr.evaluation.published import list_same_plan_versions
from ltrr.pipelines.closing import ClosedPeriods, dates_to_write
from ltrr.pipelines.counted_users import only_counted_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import BanditNotes
from ltrr.pipelines.whole_logs import without_thinned_dates
from ltrr.serving.values import PlanValuer
from ltrr.spark.columns import empty
from ltrr.tables.catalog import table
from ltrr.tracking.run import TrackedRun

log = logging.getLogger(__name__)


def run(night: Night) -> None:
    """Write `bandit_rows` of the dates that close on this night, train and store the bandit.

    The stored model is kept for its evaluation, and its hash is noted. One date closes per night
    while the settings stay the same; `pipelines.closing` describes a change of the longest reward
    window. A night reads the logs of these dates and the training rows of the window, whatever the
    age of the log. Without a closed date there is no training data: the table is empty, and no
    candidate is noted.

    Raises:
        SupportError: Too many drawn entities were not shown, so rewards cannot be corrected.
    """
    window = night.closed_dates(night.settings.bandit.window_nights)
    dates = dates_to_write(night, "bandit_rows", night.settings.bandit.window_nights, BanditNotes)
    if not window:
        yesterday = night.date - timedelta(days=1)
        where = dates.where("log_date") or f"log_date = DATE'{yesterday}'"
        night.write("bandit_rows", empty(night.spark, table("bandit_rows")), where)
        log.info("date=%s bandit=none: no date has closed yet", night.date)
        return
    with night.tracking.run(night.job) as tracked:
        unshown_share = _write_rows(night, dates)
        tracked.params(_run_parameters(night, window))
        tracked.metrics({"unshown_share": unshown_share})
        _train(night, window, tracked)


def _write_rows(night: Night, dates: ClosedPeriods) -> float:
    """Write the rows of the dates.

    Returns the largest share of a date's impressions whose union did not fit the page.
    """
    decisions = without_thinned_dates(dates.only_written(night.read("decisions")))
    # A static page may be cut: its rows train values, which need no found_reward.
    shadows = decisions.where("is_shadow").select("log_date", "impression_id").distinct()
    candidates = dates.only_written(night.read("candidates")).join(
        shadows, on=["log_date", "impression_id"], how="left_anti"
    )
    unshown_share = check_unions_shown(candidates, night.settings.bandit.max_unshown_share)
    curves = dates.only_since(night.read("examination"), "as_of_date")
    slate_rows = with_examination(dates.only_written(night.read("slate_rows")), curves)
    rows = to_bandit_rows(decisions, slate_rows, night.settings.clicks.examination_floor)
    night.write("bandit_rows", rows, dates.where("log_date"))
    return unshown_share


def _train(night: Night, window: list[date], tracked: TrackedRun) -> None:
    settings, policy = night.settings.bandit, night.settings.policy
    in_window = F.col("log_date").between(F.lit(window[0]), F.lit(window[-1]))
    rows = night.read_written("bandit_rows").where(in_window)
    rows = only_training_users(only_counted_users(night, rows), night.settings.evaluation.held_out_percent)
    rows = only_of_space(_only_alike(night, rows), policy.space, policy.observe, policy.features)
    planner = _learn_values(night, rows, tracked)
    capped = only_capped(only_served_plans(rows), settings.query_decisions)
    trained = train_bandit(capped, policy.space, policy.observe, settings, groups=policy.features, planner=planner)
    if trained is None:
        log.warning("date=%s bandit=none: no decision of a training user between %s and %s", night.date, *_ends(window))
        return
    payload = put_payload(f"{night.policies_root}/{policy.name}", trained.model)
    tracked.metrics(
        {
            "progressive_loss": trained.progressive_loss,
            "decisions": trained.decisions,
            "parts": trained.parts,
            "model_bytes": payload.size,
        }
    )
    tracked.tags({"bandit_sha256": payload.sha256})
    tracked.artifact_bytes("bandit.vw", trained.model)
    night.note(
        bandit_sha256=payload.sha256,
        decisions=trained.decisions,
        progressive_loss=trained.progressive_loss,
        mlflow_run_id=tracked.run_id,
    )
    log.info("date=%s bandit=%s decisions=%d", night.date, payload.sha256[:12], trained.decisions)


def _only_alike(night: Night, rows: DataFrame) -> DataFrame:
    """Rows of bundles with the plans, looks and features of the current policy."""
    policy = night.settings.policy
    versions = {row["policy_version"] for row in rows.select("policy_version").distinct().collect()}
    alike = list_same_plan_versions(night.policies_root, policy.name, versions, policy)
    if len(alike) < len(versions):
        log.info("date=%s left_out=%s: they plan otherwise", night.date, ",".join(sorted(versions.difference(alike))))
    return only_of_versions(rows, alike)


def _learn_values(night: Night, rows: DataFrame, tracked: TrackedRun) -> Planner | None:
    """Learn and note the values of the night's candidate; None with too little training data."""
    policy, url = night.settings.policy, f"{night.policies_root}/{night.settings.policy.name}"
    stored = learn_values(rows, policy.space, policy.observe, night.settings.values, url)
    if stored is None:
        log.info("date=%s values=none: too few queries", night.date)
        return None
    night.note(values=stored.to_note())
    tracked.tags({f"{Path(name).stem}_sha256": sha256 for name, sha256 in stored.files.items()})
    files = {name: get_payload(url, sha256) for name, sha256 in stored.files.items()}
    return Planner(PlanValuer(policy.space, stored.learned, files), policy.exploration.shortlist_size)


def _run_parameters(night: Night, window: list[date]) -> dict[str, object]:
    """Parameters of the training run for MLflow, by name."""
    policy = night.settings.policy
    first, last = _ends(window)
    return {
        "first_date": first,
        "last_date": last,
        "strategies": ",".join(policy.strategies),
        "plans": len(policy.space),
        "observe": policy.observe,
        "features": ",".join(policy.features),
        "held_out_percent": night.settings.evaluation.held_out_percent,
        "examination_floor": night.settings.clicks.examination_floor,
        "vw": " ".join(list_vw_arguments(night.settings.bandit)),
        **asdict(night.settings.bandit),
        **{f"values_{name}": value for name, value in asdict(night.settings.values).items()},
    }


def _ends(window: list[date]) -> tuple[date, date]:
    return window[0], window[-1]
