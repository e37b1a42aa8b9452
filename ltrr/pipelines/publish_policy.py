"""What is served from tomorrow on: a refresh of the champion every night, a new bandit or ranker where it earned it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import nan
from typing import Any

from pyspark.sql import functions as F

from ltrr.artifacts.bundle import BANDIT, RANKER, move_pointer, read_manifest
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.payloads import Payload
from ltrr.core.intervals import Estimate, quantile
from ltrr.evaluation.estimates import DIFFERENCE
from ltrr.evaluation.judged_policy import CHALLENGER, CHAMPION
from ltrr.evaluation.scoring import ALL
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.publishing.gate import Judgement, Verdict, judge_challenger
from ltrr.publishing.moves import Move, champion_of, collect_moves, may_move
from ltrr.publishing.ranker_gate import RankerVerdict, judge_ranker
from ltrr.publishing.release import (
    PROMOTED,
    REFRESHED,
    REFUSED,
    Parts,
    Release,
    bundle_files,
    publish,
    unrecorded,
)
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table
from ltrr.tracking.run import TrackedRun

log = logging.getLogger(__name__)

_BY = "publish_policy"


@dataclass(frozen=True)
class _Plan:
    """What tonight's bundle is, and the candidates that were turned down."""

    action: str
    why: str
    manifest: Manifest
    files: Mapping[str, Payload]
    refused: tuple[Release, ...]


def run(night: Night) -> None:
    """Judge, assemble, publish, load again, and only then point; refusing a challenger is a success.

    A rerun that comes out the same publishes nothing and appends nothing; a rerun of a night after which others have
    moved the pointer, later nights or people, leaves the pointer alone.
    """
    name, root = night.settings.policy.name, night.policies_root
    moves = collect_moves(night.read("releases"), root, name)
    record(night, unrecorded(moves, night.date))
    champion = champion_of(moves, night.date)
    manifest = read_manifest(root, name, champion.version)
    with night.tracking.run("publish_policy") as tracked:
        verdict = _judge_bandit(night, champion, manifest)
        ranker = judge_ranker(night.notes_of("train_ranker"), manifest.files.get(RANKER))
        plan = _plan(night, champion, manifest, verdict, ranker)
        version = publish(root, name, plan.manifest, plan.files)
        sequence = _point(night, moves, version, plan.why)
        release = Release(
            version, plan.action, night.date, plan.why, _BY, champion.version, sequence, plan.manifest.lineage
        )
        _write(night, [*plan.refused, release])
        night.note("version", version)
        night.note("action", plan.action)
        night.note("why", plan.why)
        night.note("verdict", verdict.why if verdict else "no challenger tonight")
        night.note("is_promoted", str(bool(verdict and verdict.is_promoted)).lower())
        _report(tracked, plan, version, verdict, ranker)
        log.info("date=%s version=%s action=%s sequence=%s", night.date, version, plan.action, sequence)


def record(night: Night, rows: list[Release]) -> None:
    """Append rows that are no output of the night: what others did and could not write down."""
    if rows:
        frame = night.spark.createDataFrame([row.row() for row in rows], schema_of(table("releases")))
        night.warehouse.append_new(table("releases"), frame.coalesce(1))


def _judge_bandit(night: Night, champion: Move, manifest: Manifest) -> Verdict | None:
    """The gate on tonight's challenger; None where there is none."""
    notes = night.notes_of("evaluate_policies")
    if not notes["challenger_sha256"]:
        return None
    objections = list(json.loads(notes["objections"]))
    if notes["champion_version"] != champion.version:
        judged = notes["champion_version"]
        objections.append(f"it was judged against {judged}, but {champion.version} serves now: evaluate again")
    served = manifest.files.get(BANDIT)
    is_same = served is not None and served.sha256 == notes["challenger_sha256"]
    if is_same and manifest.settings.exploration == night.settings.policy.exploration:
        objections.append("it is the champion, byte for byte")
    estimates = night.read("ope_estimates").where(
        (F.col("as_of_date") == F.lit(night.date)) & (F.col("slice") == ALL) & (F.col("estimator") == "dr")
    )
    # Five rows: one a policy.
    rows = {row["policy"]: row.asDict() for row in estimates.collect()}
    share = night.settings.evaluation.held_out_percent / 100.0
    judgement = _judgement(rows, int(notes["judged_dates"]), share, tuple(objections), night)
    return judge_challenger(judgement, night.settings.gate)


def _judgement(
    rows: Mapping[str, dict[str, Any]], nights: int, held_out_share: float, objections: tuple[str, ...], night: Night
) -> Judgement:
    difference, champion = rows.get(DIFFERENCE), rows.get(CHAMPION)
    if difference is None or champion is None:
        return Judgement(Estimate(nan, nan), nan, nan, nan, 0, 0, nights, held_out_share, objections)
    # The table keeps the two-sided interval; its half width gives the standard error back.
    z = quantile((1.0 + night.settings.evaluation.confidence) / 2.0)
    half_width = (_number(difference["high"]) - _number(difference["low"])) / 2.0
    if difference["verdict"] == "do not use":
        objections = (*objections, *difference["reasons"])
    return Judgement(
        difference=Estimate(_number(difference["value"]), half_width / z),
        champion_value=_number(champion["value"]),
        evidence=_number(difference["evidence"]),
        effective_sample_size=_number(difference["effective_sample_size"]),
        impressions=difference["impressions"],
        users=difference["users"],
        nights=nights,
        held_out_share=held_out_share,
        objections=objections,
    )


def _plan(
    night: Night, champion: Move, manifest: Manifest, verdict: Verdict | None, ranker: RankerVerdict | None
) -> _Plan:
    """One change at a time: the bandit first, the ranker on a night when no bandit is promoted, else a refresh."""
    bandit_sha256 = night.notes_of("evaluate_policies")["challenger_sha256"]
    with_bandit = _candidate(night, manifest, bandit_sha256=bandit_sha256) if verdict else None
    with_ranker = _candidate(night, manifest, ranker_sha256=ranker.sha256) if ranker else None
    refused = []
    if verdict and with_bandit and not verdict.is_promoted:
        refused.append(_refusal(night, champion, with_bandit, f"bandit: {verdict.why}"))
    if verdict and with_bandit and verdict.is_promoted:
        if ranker and with_ranker:
            refused.append(
                _refusal(night, champion, with_ranker, "ranker: a bandit is promoted tonight, one change a night")
            )
        return _Plan(PROMOTED, f"bandit: {verdict.why}", *with_bandit, tuple(refused))
    if ranker and with_ranker and ranker.is_promoted:
        return _Plan(PROMOTED, f"ranker: {ranker.why}", *with_ranker, tuple(refused))
    if ranker and with_ranker:
        refused.append(_refusal(night, champion, with_ranker, f"ranker: {ranker.why}"))
    why = "the champion's bandit and ranker with tonight's memory and history"
    return _Plan(REFRESHED, why, *_candidate(night, manifest), tuple(refused))


def _refusal(night: Night, champion: Move, candidate: tuple[Manifest, Mapping[str, Payload]], why: str) -> Release:
    """A row about the bundle that would have been; it is not published."""
    manifest, files = candidate
    version = manifest.with_files(files).version
    return Release(version, REFUSED, night.date, why, _BY, champion.version, lineage=manifest.lineage)


def _candidate(
    night: Night, champion: Manifest, *, bandit_sha256: str = "", ranker_sha256: str = ""
) -> tuple[Manifest, Mapping[str, Payload]]:
    """A bundle of tonight's memory and history with the given models, the champion's where none is given."""
    memory = json.loads(night.notes_of("build_memory")["memory_parts"])
    history = night.notes_of("compute_strategy_features")["history_sha256"]
    parts = Parts({name: Payload(**part) for name, part in memory.items()}, history)
    files = bundle_files(
        night.policies_root,
        night.settings.policy.name,
        champion,
        parts,
        bandit_sha256=bandit_sha256,
        ranker_sha256=ranker_sha256,
    )
    settings = champion.settings
    if bandit_sha256:
        # The exploration that was judged is the one that is served.
        settings = replace(settings, exploration=night.settings.policy.exploration)
    closed = night.closed_dates()
    upstream = [night.committed(job, night.date) for job in JOBS[: JOBS.index(night.job)]]
    lineage = {"champion": champion.version, "memory_date": str(night.date)}
    lineage |= {f"{name}_sha256": files[name].sha256 for name in (BANDIT, RANKER) if name in files}
    run_id = night.notes_of("train_bandit").get("mlflow_run_id", "") if bandit_sha256 else champion.run_id
    made = Manifest(
        settings=settings,
        as_of_date=night.date,
        data_window={"first": str(closed[0]), "last": str(closed[-1])} if closed else {},
        table_versions={output.table: output.version for job in upstream for output in job.outputs},
        run_id=run_id,
        ope=_ope(night) if bandit_sha256 else dict(champion.ope),
        lineage=lineage,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return made, files


def _ope(night: Night) -> dict[str, Any]:
    """What was estimated of the challenger, for the manifest."""
    rows = night.read("ope_estimates").where((F.col("as_of_date") == F.lit(night.date)) & (F.col("slice") == ALL))
    kept = rows.where(F.col("policy").isin(CHAMPION, CHALLENGER, DIFFERENCE) & (F.col("estimator") == "dr"))
    columns = ("value", "low", "high", "evidence", "verdict")
    return {row["policy"]: {name: row[name] for name in columns} for row in kept.collect()}


def _point(night: Night, moves: list[Move], version: str, why: str) -> int | None:
    """Move the pointer where it is this night's to move; the sequence that names the version, None where none does."""
    mine = [move.sequence for move in moves if move.night == night.date and move.version == version]
    if not may_move(moves, night.date):
        log.warning("date=%s version=%s pointer=left: others have moved it since", night.date, version)
        return mine[-1] if mine else None
    return move_pointer(night.policies_root, night.settings.policy.name, version, why=f"night of {night.date}: {why}")


def _write(night: Night, rows: list[Release]) -> None:
    night.write(
        "releases", night.spark.createDataFrame([row.row() for row in rows], schema_of(table("releases"))).coalesce(1)
    )


def _report(
    tracked: TrackedRun, plan: _Plan, version: str, verdict: Verdict | None, ranker: RankerVerdict | None
) -> None:
    tracked.params({"version": version, "champion": plan.manifest.lineage["champion"], "action": plan.action})
    tracked.tags(
        {"why": plan.why, "bandit": verdict.why if verdict else "none", "ranker": ranker.why if ranker else "none"}
    )
    tracked.metrics({"is_promoted": float(bool(verdict and verdict.is_promoted))})
    if verdict:
        tracked.metrics(
            {
                "lower_bound": verdict.lower_bound,
                "spread": verdict.traffic.spread,
                "impressions_a_night_needed": verdict.traffic.impressions_a_night,
                "more_nights_at_this_difference": verdict.traffic.nights_at_this_difference,
            }
        )
    tracked.artifact_bytes("manifest.json", plan.manifest.with_files(plan.files).to_bytes())
    refused = [{"version": row.version, "why": row.why} for row in plan.refused]
    tracked.artifact_json(
        "releases.json", {"version": version, "action": plan.action, "why": plan.why, "refused": refused}
    )


def _number(value: float | None) -> float:
    return nan if value is None else value
