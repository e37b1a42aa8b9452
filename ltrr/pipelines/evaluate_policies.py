"""What each policy would have earned on what was logged: the challenger on its life, and a report on held-out users."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame

from ltrr.artifacts.bundle import BANDIT
from ltrr.artifacts.payloads import get_payload
from ltrr.artifacts.pointer import open_policy, pointer_at
from ltrr.core.moments import ClusteredSums
from ltrr.errors import ConfigError
from ltrr.evaluation.canary import BY_USER
from ltrr.evaluation.draws_by_class import (
    DRAWS_BY_CLASS,
    DrawTable,
    draw_rows,
    draw_table,
    render_draws,
    sample_decisions,
    sum_draws,
)
from ltrr.evaluation.estimates import HELD_OUT, LIFE, estimate_rows
from ltrr.evaluation.judged_impressions import (
    ServedCounts,
    by_policy,
    count_served,
    is_held_out,
    judged_impressions,
    on_dates,
    served_by_version,
)
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER, CHAMPION, STATIC, UNIFORM, JudgedPolicy
from ltrr.evaluation.life import sum_life
from ltrr.evaluation.published import (
    PlanningPart,
    alike_versions,
    plans_alike,
    read_planning_part,
)
from ltrr.evaluation.query_means import QueryMeans
from ltrr.evaluation.replay_check import replay_date
from ltrr.evaluation.reward_model import RewardModel, fit_reward_model
from ltrr.evaluation.scoring import ALL, sum_by_slice, to_scores
from ltrr.evaluation.static_plan import best_static_plan
from ltrr.evaluation.training_sums import sum_training_decisions
from ltrr.pipelines.canary import judge_canary
from ltrr.pipelines.candidate import candidate_of
from ltrr.pipelines.night import Night
from ltrr.publishing.challenger_rows import read_challengers
from ltrr.publishing.challengers import Candidate, Challenger, FrozenBandit, living
from ltrr.publishing.exploration_price import EXPLORATION_PRICE, ExplorationPrice, price_policies
from ltrr.publishing.moves import champion_of, collect_moves
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.values import PlanValuer
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table
from ltrr.tracking.run import TrackedRun

log = logging.getLogger(__name__)

DECIDING = ("dr", BY_USER)
"""The estimators that the gate looks at: of a policy on the log, and of a canary on its users."""


def run(night: Night) -> None:
    """Replay tonight's decisions, judge challenger and canary on their lives, and report on held-out users.

    The challenger's life decides (`publish_policy`); the report shows champion, tonight's candidate, uniform and the
    best static plan side by side. Each is one pass that fits and one that scores; both hand a few kilobytes a task to
    the driver, whatever the number of impressions.

    Raises:
        ConfigError: the configured plans are not those of the champion.
        DataQualityError: a logged propensity is not what its bundle gives.
    """
    policy, root = night.settings.policy, night.policies_root
    moves = collect_moves(night.read("releases"), root, policy.name)
    pointer = pointer_at(open_policy(root, policy.name), champion_of(moves, night.date).sequence)
    champion = read_planning_part(root, policy.name, pointer.version)
    _check_same_plans(night, champion)
    candidate = candidate_of(night)
    challenger = _challenger(night, champion)
    night.note("champion_version", champion.manifest.version)
    night.note("candidate_sha256", candidate.bandit.files[BANDIT] if candidate else "")
    night.note("challenger", challenger.trial if challenger else "")
    with night.tracking.run("evaluate_policies") as tracked:
        tracked.params(
            {
                "date": night.date,
                "champion": champion.manifest.version,
                "challenger": challenger.trial if challenger else "none",
                "candidate": candidate.bandit.files[BANDIT] if candidate else "none",
                "held_out_percent": night.settings.evaluation.held_out_percent,
                "window_days": night.settings.evaluation.window_days,
                **policy.exploration.to_json(),
            }
        )
        objections = _check_replay(night, tracked)
        on_canary = judge_canary(night, pointer, objections)
        under_test = None if challenger is None else _judged_policy(night, CHALLENGER, challenger.bandit)
        found = _report_held_out(night, champion, candidate, under_test)
        if challenger is not None and under_test is not None:
            life = _judge_life(night, champion, under_test, challenger.data_end)
            if life.served.fallback_share > night.settings.evaluation.fallback_limit:
                objections.append(f"{life.served.fallback_share:.1%} of its impressions fell back")
            found = replace(found, rows=[*found.rows, *life.rows], prices={**found.prices, **life.prices})
        found = replace(found, rows=[*found.rows, *on_canary])
        rows = night.spark.createDataFrame(found.rows, schema_of(table("ope_estimates")))
        night.write("ope_estimates", rows.coalesce(1))
        night.note("objections", json.dumps(objections))
        night.note(EXPLORATION_PRICE, json.dumps({name: price.to_json() for name, price in found.prices.items()}))
        night.note(DRAWS_BY_CLASS, json.dumps(found.draws))
        for name, count in vars(found.served).items():
            night.note(f"impressions_{name}", str(count))
        _report(tracked, found)


def _challenger(night: Night, champion: PlanningPart) -> Challenger | None:
    """Who is under test tonight; None where nobody is, or where the champion is another than when it began."""
    tested = living(read_challengers(night.read("challengers"), night.date - timedelta(days=1)))
    if tested is None or tested.against != FrozenBandit.of_manifest(champion.manifest).digest:
        return None
    return tested


def _check_same_plans(night: Night, champion: PlanningPart) -> None:
    policy = night.settings.policy
    if not plans_alike(policy, champion.manifest.settings):
        raise ConfigError(
            "the configured plans are not those of the champion, so no log can compare them",
            which="policy",
            expected=f"strategies, block_size, budget, observe and features as in {champion.manifest.version}",
            got=f"{', '.join(policy.strategies)}; {policy.block_size}, "
            f"{policy.budget}, {policy.observe}; {', '.join(policy.features)}",
            todo="give the new plans a policy.name of their own and start it with `ltrr policies init`",
        )


def _check_replay(night: Night, tracked: TrackedRun) -> list[str]:
    """Replay a sample of the decisions of the night's own date; reasons against any verdict."""
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
    night.note("replayed_decisions", str(found.replayed))
    night.note("replay_worst_difference", f"{found.worst_difference:.3g}")
    if night.accept_quality is None:
        found.check(night.date, settings.replay_tolerance)
    if found.holds:
        return []
    unequal = f"{found.unequal} of {found.replayed} replayed decisions are unequal, {found.unknown} of unknown bundles"
    return [f"{unequal} (accepted: {night.accept_quality})"]


@dataclass(frozen=True)
class _Found:
    """What judging found.

    Attributes:
        served: how the window was served.
        rows: of `ope_estimates`.
        prices: of exploration, by policy.
        draws: by policy.
    """

    served: ServedCounts
    rows: Sequence[dict[str, Any]] = ()
    prices: Mapping[str, ExplorationPrice] = field(default_factory=dict)
    draws: Mapping[str, DrawTable] = field(default_factory=dict)


def _report_held_out(
    night: Night, champion: PlanningPart, candidate: Candidate | None, under_test: JudgedPolicy | None
) -> _Found:
    """The report on closed dates of the window; nothing but how it was served where none is closed yet."""
    settings, policy = night.settings.evaluation, night.settings.policy
    closed = night.closed_dates(settings.window_days)
    night.note("judged_dates", str(len(closed)))
    window = _Window.of(night, closed)
    if window.served.by_policy == 0:
        log.info("date=%s reported=nothing closed_dates=%d", night.date, len(closed))
        return _Found(window.served)
    held_out = is_held_out(settings.held_out_percent)
    training = window.impressions(~held_out)
    means = QueryMeans.of(training, settings.query_mean_strength)
    sums = sum_training_decisions(means.given_to(training, is_counted=True), policy.space)
    if sums is None:
        log.warning("date=%s reported=nothing: no impressions of users that are trained on", night.date)
        return _Found(window.served)
    model = fit_reward_model(policy.space, sums.products.tolist(), settings.ridge)
    judged = _reported(night, champion, candidate, best_static_plan(sums, model))
    slices = _score(means.given_to(window.impressions(held_out), is_counted=False), judged, model)
    rows = estimate_rows(night.date, slices, judged, window.served.fallback_share, settings)
    share = settings.held_out_percent / 100.0
    prices = _prices(night, slices, len(closed), [CHAMPION, *[CANDIDATE] * bool(candidate)], share)
    draw_from = [*judged, *([under_test] if under_test else [])]
    expected = window.served.by_policy * share
    sample = sample_decisions(
        by_policy(window.decisions.where(held_out), window.versions), min(settings.draws_decisions / expected, 1.0)
    )
    drawn = sum_draws(sample, draw_from, policy.space)
    draws = {one.name: draw_table(drawn, one.name, policy.space) for one in draw_from if one.chooser is not None}
    return _Found(window.served, rows, prices, draws)


def _judge_life(night: Night, champion: PlanningPart, challenger: JudgedPolicy, data_end: date) -> _Found:
    """Champion and challenger on everybody's impressions of the closed dates after `data_end`."""
    settings, policy = night.settings.evaluation, night.settings.policy
    dates = night.closed_dates()
    since = _Window.of(night, [day for day in dates if day > data_end])
    before = _Window.of(night, [day for day in dates if day <= data_end][-settings.window_days :])
    night.note("life_dates", str(len(since.dates)))
    if since.served.by_policy == 0 or before.served.by_policy == 0:
        log.info("date=%s judged=nothing life_dates=%d", night.date, len(since.dates))
        return _Found(since.served)
    judged = [JudgedPolicy(CHAMPION, champion.manifest.version, policy.space, chooser=champion.chooser()), challenger]
    slices = sum_life(before.impressions(), since.impressions(), judged, policy.space, settings)
    rows = estimate_rows(night.date, slices, judged, since.served.fallback_share, settings, LIFE)
    return _Found(since.served, rows, _prices(night, slices, len(since.dates), [CHALLENGER], share=1.0))


@dataclass(frozen=True)
class _Window:
    """What was logged on some dates.

    Attributes:
        dates: closed.
        decisions, slate_rows: of them.
        served: how their impressions were served.
        versions: bundles whose plans and features are those that are judged.
    """

    dates: Sequence[date]
    decisions: DataFrame
    slate_rows: DataFrame
    served: ServedCounts
    versions: Sequence[str]

    @staticmethod
    def of(night: Night, dates: Sequence[date]) -> _Window:
        policy = night.settings.policy
        decisions = on_dates(night.read("decisions"), dates)
        by_version = served_by_version(decisions) if dates else {}
        versions = alike_versions(night.policies_root, policy.name, {version for version, _ in by_version}, policy)
        slate_rows = on_dates(night.read("slate_rows"), dates)
        return _Window(dates, decisions, slate_rows, count_served(by_version, versions), versions)

    def impressions(self, users: Column | None = None) -> DataFrame:
        """Those that a judged bundle served, with their reward: of some users, or of all."""
        decisions, slate_rows = (
            rows if users is None else rows.where(users) for rows in (self.decisions, self.slate_rows)
        )
        return judged_impressions(decisions, slate_rows, self.versions)


def _reported(
    night: Night, champion: PlanningPart, candidate: Candidate | None, static_plan: int
) -> list[JudgedPolicy]:
    space = night.settings.policy.space
    judged = [JudgedPolicy(CHAMPION, champion.manifest.version, space, chooser=champion.chooser())]
    if candidate:
        judged.append(_judged_policy(night, CANDIDATE, candidate.bandit))
    judged.append(JudgedPolicy(UNIFORM, UNIFORM, space))
    judged.append(JudgedPolicy(STATIC, space.text(static_plan), space, plan=static_plan))
    return judged


def _judged_policy(night: Night, name: str, bandit: FrozenBandit) -> JudgedPolicy:
    """A frozen bandit as it would choose: every byte is verified as it is read."""
    policy = night.settings.policy
    url = open_policy(night.policies_root, policy.name).url
    files = {file: get_payload(url, sha256) for file, sha256 in bandit.files.items()}
    model = files.pop(BANDIT, None)
    valuer = PlanValuer.of(policy, bandit.values, files)
    chooser = PlanChooser(policy.space, bandit.exploration, model, policy.observe, valuer, groups=policy.features)
    return JudgedPolicy(name, bandit.files[BANDIT], policy.space, chooser=chooser)


def _score(impressions: DataFrame, judged: Sequence[JudgedPolicy], model: RewardModel) -> dict[str, ClusteredSums]:
    return dict(sum_by_slice(to_scores(impressions, judged, model), [policy.name for policy in judged]))


def _prices(
    night: Night, slices: Mapping[str, ClusteredSums], nights: int, policies: Sequence[str], share: float
) -> dict[str, ExplorationPrice]:
    plans = len(night.settings.policy.space)
    return price_policies(slices.get(ALL), policies, plans, nights, share, night.settings.gate)


def _report(tracked: TrackedRun, found: _Found) -> None:
    for policy, price in found.prices.items():
        told = {f"{policy}_exploration_{name}": value for name, value in price.to_json().items()}
        tracked.metrics({name: float("nan") if value is None else value for name, value in told.items()})
    tracked.metrics({f"impressions_{name}": float(count) for name, count in vars(found.served).items()})
    tracked.artifact_json("ope_estimates.json", list(found.rows))
    tracked.artifact_json(f"{DRAWS_BY_CLASS}.json", draw_rows(found.draws))
    tracked.artifact_bytes(f"{DRAWS_BY_CLASS}.md", render_draws(found.draws).encode())
    for row in found.rows:
        if row["slice"] != ALL:
            continue
        # Every scan judges the champion; what decides is told apart.
        policy = row["policy"] if row["judged_on"] == HELD_OUT else f"{row['judged_on']}_{row['policy']}"
        name = f"{policy}_{row['estimator']}"
        figures = {name: row["value"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
        tracked.metrics({key: float("nan") if value is None else value for key, value in figures.items()})
        if row["estimator"] in DECIDING:
            tracked.tags({f"verdict_{policy}": "; ".join([row["verdict"], *row["reasons"]])})
        if row["policy"] not in (UNIFORM, STATIC) and row["estimator"] in DECIDING and row["evidence"]:
            tracked.metrics(
                {
                    f"{policy}_evidence": row["evidence"],
                    f"{policy}_effective_sample_size": row["effective_sample_size"],
                }
            )
