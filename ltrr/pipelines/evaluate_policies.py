"""What each policy would have earned on what was logged: champion, challenger, uniform and the best static plan."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame

from ltrr.artifacts.learned_values import StoredValues
from ltrr.artifacts.payloads import get_payload
from ltrr.artifacts.pointer import open_policy
from ltrr.core.moments import ClusteredSums
from ltrr.errors import ConfigError
from ltrr.evaluation.draws_by_class import (
    DRAWS_BY_CLASS,
    DrawTable,
    draw_rows,
    draw_table,
    render_draws,
    sample_decisions,
    sum_draws,
)
from ltrr.evaluation.estimates import DIFFERENCE, estimate_rows
from ltrr.evaluation.judged_impressions import (
    ServedCounts,
    by_policy,
    count_served,
    is_held_out,
    judged_impressions,
    on_dates,
    served_by_version,
)
from ltrr.evaluation.judged_policy import CHALLENGER, CHAMPION, STATIC, UNIFORM, JudgedPolicy
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
from ltrr.pipelines.night import Night
from ltrr.publishing.exploration_price import EXPLORATION_PRICE, ExplorationPrice, price_policies
from ltrr.publishing.moves import champion_of, collect_moves
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.values import PlanValuer
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table
from ltrr.tracking.run import TrackedRun

log = logging.getLogger(__name__)


def run(night: Night) -> None:
    """Replay tonight's decisions, then judge on held-out users' impressions of the closed dates of the window.

    One pass over training users gives the reward model and the static plan, one over held-out users scores every
    policy; both hand a few kilobytes a task to the driver, whatever the number of impressions.

    Raises:
        ConfigError: the configured plans are not those of the champion.
        DataQualityError: a logged propensity is not what its bundle gives.
    """
    policy, root = night.settings.policy, night.policies_root
    moves = collect_moves(night.read("releases"), root, policy.name)
    champion = read_planning_part(root, policy.name, champion_of(moves, night.date).version)
    _check_same_plans(night, champion)
    trained = night.notes_of("train_bandit")
    challenger, values = trained.get("bandit_sha256", ""), trained.get("values", "")
    night.note("champion_version", champion.manifest.version)
    night.note("challenger_sha256", challenger)
    night.note("challenger_values", values)
    with night.tracking.run("evaluate_policies") as tracked:
        tracked.params(
            {
                "date": night.date,
                "champion": champion.manifest.version,
                "challenger": challenger or "none",
                "held_out_percent": night.settings.evaluation.held_out_percent,
                "window_days": night.settings.evaluation.window_days,
                **policy.exploration.to_json(),
            }
        )
        objections = _check_replay(night, tracked)
        found = _judge(night, champion, challenger, StoredValues.of_note(values))
        rows, served = found.rows, found.served
        if served.fallback_share > night.settings.evaluation.fallback_limit:
            objections.append(f"{served.fallback_share:.1%} of impressions fell back")
        night.write("ope_estimates", night.spark.createDataFrame(rows, schema_of(table("ope_estimates"))).coalesce(1))
        night.note("objections", json.dumps(objections))
        night.note(EXPLORATION_PRICE, json.dumps({name: price.to_json() for name, price in found.prices.items()}))
        night.note(DRAWS_BY_CLASS, json.dumps(found.draws))
        for name, count in vars(served).items():
            night.note(f"impressions_{name}", str(count))
        _report(tracked, found)


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


def _judge(night: Night, champion: PlanningPart, challenger: str, values: StoredValues | None) -> _Found:
    """Judge on the closed dates of the window; nothing is found but how it was served where none is closed yet."""
    settings, policy = night.settings.evaluation, night.settings.policy
    closed = night.closed_dates(settings.window_days)
    night.note("judged_dates", str(len(closed)))
    decisions = on_dates(night.read("decisions"), closed)
    slate_rows = on_dates(night.read("slate_rows"), closed)
    by_version = served_by_version(decisions) if closed else {}
    versions = alike_versions(night.policies_root, policy.name, {version for version, _ in by_version}, policy)
    served = count_served(by_version, versions)
    if served.by_policy == 0:
        log.info("date=%s judged=nothing closed_dates=%d", night.date, len(closed))
        return _Found(served)

    def impressions(*, held_out: bool) -> DataFrame:
        fold = is_held_out(settings.held_out_percent)
        users = fold if held_out else ~fold
        return judged_impressions(decisions.where(users), slate_rows.where(users), versions)

    training = impressions(held_out=False)
    means = QueryMeans.of(training, settings.query_mean_strength)
    sums = sum_training_decisions(means.given_to(training, is_counted=True), policy.space)
    if sums is None:
        log.warning("date=%s judged=nothing: no impressions of users that are trained on", night.date)
        return _Found(served)
    model = fit_reward_model(policy.space, sums.products.tolist(), settings.ridge)
    judged = _policies(night, champion, challenger, values, best_static_plan(sums, model))
    slices = _score(means.given_to(impressions(held_out=True), is_counted=False), judged, model)
    rows = estimate_rows(night.date, slices, judged, served.fallback_share, settings)
    learned = [CHAMPION, *[CHALLENGER] * bool(challenger)]
    held_out = by_policy(decisions.where(is_held_out(settings.held_out_percent)), versions)
    expected = served.by_policy * settings.held_out_percent / 100.0
    sample = sample_decisions(held_out, min(settings.draws_decisions / expected, 1.0))
    drawn = sum_draws(sample, judged, policy.space)
    draws = {name: draw_table(drawn, name, policy.space) for name in learned}
    return _Found(served, rows, _prices(night, slices, len(closed), learned), draws)


def _policies(
    night: Night, champion: PlanningPart, challenger: str, values: StoredValues | None, static_plan: int
) -> list[JudgedPolicy]:
    policy, space = night.settings.policy, night.settings.policy.space
    judged = [JudgedPolicy(CHAMPION, champion.manifest.version, space, chooser=champion.chooser())]
    if challenger:
        url = open_policy(night.policies_root, policy.name).url
        files = {name: get_payload(url, sha256) for name, sha256 in values.files.items()} if values else {}
        valuer = PlanValuer.of(policy, values.how if values else None, files)
        model = get_payload(url, challenger)
        chooser = PlanChooser(space, policy.exploration, model, policy.observe, valuer, groups=policy.features)
        judged.append(JudgedPolicy(CHALLENGER, challenger, space, chooser=chooser))
    judged.append(JudgedPolicy(UNIFORM, UNIFORM, space))
    judged.append(JudgedPolicy(STATIC, space.text(static_plan), space, plan=static_plan))
    return judged


def _score(impressions: DataFrame, judged: Sequence[JudgedPolicy], model: RewardModel) -> dict[str, ClusteredSums]:
    return dict(sum_by_slice(to_scores(impressions, judged, model), [policy.name for policy in judged]))


def _prices(
    night: Night, slices: Mapping[str, ClusteredSums], nights: int, policies: Sequence[str]
) -> dict[str, ExplorationPrice]:
    settings = night.settings
    held_out_share = settings.evaluation.held_out_percent / 100.0
    plans = len(settings.policy.space)
    return price_policies(slices.get(ALL), policies, plans, nights, held_out_share, settings.gate)


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
        name = f"{row['policy']}_{row['estimator']}"
        figures = {name: row["value"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
        tracked.metrics({key: float("nan") if value is None else value for key, value in figures.items()})
        if row["estimator"] == "dr":
            tracked.tags({f"verdict_{row['policy']}": "; ".join([row["verdict"], *row["reasons"]])})
        if row["policy"] in (CHAMPION, CHALLENGER, DIFFERENCE) and row["estimator"] == "dr" and row["evidence"]:
            tracked.metrics(
                {
                    f"{row['policy']}_evidence": row["evidence"],
                    f"{row['policy']}_effective_sample_size": row["effective_sample_size"],
                }
            )
