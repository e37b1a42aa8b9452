"""Reward estimates of each policy: the challenger on its life, and a report on held-out users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from pyspark.sql import functions as F

from ltrr.artifacts.bundle import BANDIT
from ltrr.artifacts.pointer import open_policy, pointer_at
from ltrr.artifacts.service_version import service_version
from ltrr.errors import ConfigError
from ltrr.estimation.estimators import list_deciding_estimators
from ltrr.evaluation.draws_by_class import DRAWS_BY_CLASS, draw_rows, render_draws
from ltrr.evaluation.estimates import HELD_OUT
from ltrr.evaluation.judged_policy import CHALLENGER, STATIC, UNIFORM
from ltrr.evaluation.published import PlanningPart, has_same_plans, list_plan_differences, read_planning_part
from ltrr.evaluation.replay_check import REPLAY, replay_date
from ltrr.evaluation.scoring import ALL
from ltrr.evaluation.service_check import find_wrong_propensities
from ltrr.pipelines.canary import judge_canary
from ltrr.pipelines.candidate import candidate_of
from ltrr.pipelines.judging import Findings, judge_life, judged_policy, report_held_out
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import EvaluationNotes
from ltrr.pipelines.ranker_judging import judge_rankers
from ltrr.pipelines.whole_logs import without_thinned_dates
from ltrr.publishing.challenger_rows import read_trials
from ltrr.publishing.challengers import Candidate
from ltrr.publishing.moves import champion_of, collect_moves
from ltrr.publishing.trials import Challenger, FrozenBandit, current_trial
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table
from ltrr.tracking.run import TrackedRun


def run(night: Night) -> None:
    """Replay the night's decisions, judge challenger and canary, and report on held-out users.

    Challenger and canary are judged on their lives. The challenger's life decides
    (`publish_policy`). The report compares the champion, the night's candidate, the uniform policy
    and the best static plan. Each scan is one pass that fits and one that scores. Both passes
    return a few kilobytes per task to the driver, whatever the number of impressions.

    Raises:
        ConfigError: The configured plans are not those of the champion.
        DataQualityError: A logged propensity differs from that of its bundle.
    """
    policy, root = night.settings.policy, night.policies_root
    moves = collect_moves(night.read("releases"), root, policy.name)
    pointer = pointer_at(open_policy(root, policy.name), champion_of(moves, night.date).sequence)
    champion = read_planning_part(root, policy.name, pointer.version)
    _check_same_plans(night, champion)
    candidate = candidate_of(night)
    before = night.date - timedelta(days=1)
    trials = read_trials(night.read("challengers"), policy.name, before, night.settings.gate)
    challenger = _find_challenger(trials, champion)
    night.note(
        champion_version=champion.manifest.version,
        candidate_sha256=candidate.bandit.files[BANDIT] if candidate else "",
        challenger=challenger.trial if challenger else "",
    )
    with night.tracking.run("evaluate_policies") as tracked:
        tracked.params(_run_parameters(night, champion, candidate, challenger))
        objections = _check_replay(night, tracked)
        unequal = {night.date} if objections else set()
        wrong, wrong_dates = _check_services(night)
        objections += wrong
        distrusted = _update_distrusted_dates(night, unequal | wrong_dates)
        on_canary = judge_canary(night, pointer, distrusted, objections, is_shadow=champion.manifest.shadow)
        judge_rankers(night, champion.manifest, trials, distrusted, objections)
        judged_challenger = None if challenger is None else judged_policy(night, CHALLENGER, challenger.bandit)
        found = report_held_out(night, champion, candidate, judged_challenger, distrusted)
        if challenger is not None and judged_challenger is not None:
            life = judge_life(night, champion, judged_challenger, challenger.data_end, distrusted)
            if life.served.fallback_share > night.settings.evaluation.fallback_limit:
                objections.append(f"{life.served.fallback_share:.1%} of its impressions fell back")
            found = replace(found, rows=[*found.rows, *life.rows], prices={**found.prices, **life.prices})
        found = replace(found, rows=[*found.rows, *on_canary])
        rows = night.spark.createDataFrame(found.rows, schema_of(table("ope_estimates")))
        night.write("ope_estimates", rows.coalesce(1))
        _note(night, found, objections)
        _report(tracked, found)


def _run_parameters(
    night: Night, champion: PlanningPart, candidate: Candidate | None, challenger: Challenger | None
) -> dict[str, object]:
    """Parameters of the evaluation's run for MLflow, by name."""
    return {
        "date": night.date,
        "champion": champion.manifest.version,
        "challenger": challenger.trial if challenger else "none",
        "candidate": candidate.bandit.files[BANDIT] if candidate else "none",
        "held_out_percent": night.settings.evaluation.held_out_percent,
        "window_days": night.settings.evaluation.window_days,
        **night.settings.policy.exploration.to_json(),
    }


def _note(night: Night, found: Findings, objections: Sequence[str]) -> None:
    """Note the objections to any verdict, and the figures that the manifest keeps."""
    night.note(
        objections=tuple(objections),
        exploration_price={name: price.to_json() for name, price in found.prices.items()},
        draws_by_class=found.draws,
        **{f"impressions_{name}": count for name, count in vars(found.served).items()},
    )


def _find_challenger(trials: Sequence[Challenger], champion: PlanningPart) -> Challenger | None:
    """The current challenger; None without one, or if the champion has changed since it began."""
    tested = current_trial(trials)
    if tested is None or tested.against != FrozenBandit.of_manifest(champion.manifest).digest:
        return None
    return tested


def _update_distrusted_dates(night: Night, found: set[date]) -> set[date]:
    """Note and return the dates that no night evaluates, because their propensities were wrong.

    Args:
        night: Night of the job.
        found: Dates that this night adds.
    """
    before = night.previous_notes_of(EvaluationNotes)
    earlier = (before.distrusted_dates if before else None) or ()
    distrusted = {*earlier, *found}
    night.note(distrusted_dates=tuple(sorted(distrusted)))
    return distrusted


def _check_same_plans(night: Night, champion: PlanningPart) -> None:
    policy = night.settings.policy
    if not has_same_plans(policy, champion.manifest.settings):
        raise ConfigError(
            "the configured plans are not those of the champion, so no log can compare them",
            which="policy",
            expected=f"the settings of {champion.manifest.version}",
            got="; ".join(list_plan_differences(policy, champion.manifest.settings)),
            todo="give the new plans a policy.name of their own and start it with `ltrr policies init`",
        )


def _check_replay(night: Night, tracked: TrackedRun) -> list[str]:
    """Replay a sample of the night's own decisions; return the objections to any verdict."""
    settings = night.settings.evaluation
    found = replay_date(
        night.read("decisions"),
        night.read("impressions"),
        night.policies_root,
        night.settings.policy.name,
        night.date,
        sample=settings.replay_decisions,
        tolerance=settings.replay_tolerance,
    )
    tracked.metrics(
        {
            "replayed_decisions": found.replayed,
            "replay_unequal": found.unequal,
            "replay_unknown": found.unknown,
            "replay_worst_difference": found.worst_difference,
        }
    )
    worst = float(f"{found.worst_difference:.3g}")
    night.note(replayed_decisions=found.replayed, replay_worst_difference=worst)
    if REPLAY not in night.accept_quality:
        found.check(night.date, settings.replay_tolerance)
    if found.passes:
        return []
    unequal = f"{found.unequal} of {found.replayed} replayed decisions are unequal, {found.unknown} of unknown bundles"
    night.note(accepted_quality={REPLAY: night.accept_quality[REPLAY]})
    return [f"{unequal} (accepted: {night.accept_quality[REPLAY]})"]


def _check_services(night: Night) -> tuple[list[str], set[date]]:
    """Count the plans that decision services chose; return objections, and the dates at fault.

    The first night of a history checks all its dates.
    """
    policy = night.settings.policy
    first = night.settings.first_date if night.is_history else night.date
    is_own = F.col("log_date").between(F.lit(first), F.lit(night.date))
    is_own &= F.col("policy_version") == F.lit(service_version(policy))
    choices = without_thinned_dates(night.read("decisions").where(is_own))
    dates = {row["log_date"] for row in choices.select("log_date").distinct().collect()}
    wrong = find_wrong_propensities(choices, policy.space) if dates else []
    if not wrong:
        return [], set()
    return [f"the propensities of the decision service are wrong: {'; '.join(wrong[:3])}"], dates


def _report(tracked: TrackedRun, found: Findings) -> None:
    for policy, price in found.prices.items():
        metrics = {f"{policy}_exploration_{name}": value for name, value in price.to_json().items()}
        tracked.metrics({name: float("nan") if value is None else value for name, value in metrics.items()})
    tracked.metrics({f"impressions_{name}": float(count) for name, count in vars(found.served).items()})
    tracked.artifact_json("ope_estimates.json", list(found.rows))
    tracked.artifact_json(f"{DRAWS_BY_CLASS}.json", draw_rows(found.draws))
    tracked.artifact_bytes(f"{DRAWS_BY_CLASS}.md", render_draws(found.draws).encode())
    deciding = {estimator.name for estimator in list_deciding_estimators()}
    for row in found.rows:
        if row["slice"] != ALL:
            continue
        # Every scan judges the champion, so the name of a figure includes the scan that decides.
        policy = row["policy"] if row["judged_on"] == HELD_OUT else f"{row['judged_on']}_{row['policy']}"
        name = f"{policy}_{row['estimator']}"
        figures = {name: row["value"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
        tracked.metrics({key: float("nan") if value is None else value for key, value in figures.items()})
        if row["estimator"] in deciding:
            tracked.tags({f"verdict_{policy}": "; ".join([row["verdict"], *row["reasons"]])})
        if row["policy"] not in (UNIFORM, STATIC) and row["estimator"] in deciding and row["evidence"]:
            tracked.metrics(
                {
                    f"{policy}_evidence": row["evidence"],
                    f"{policy}_effective_sample_size": row["effective_sample_size"],
                }
            )
