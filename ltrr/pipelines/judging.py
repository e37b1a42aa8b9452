"""The two scans of a night: the report on held-out users, and the challenger's life.

The estimates on the challenger's life decide.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame

from ltrr.artifacts.bundle import BANDIT
from ltrr.artifacts.payloads import get_payload
from ltrr.artifacts.pointer import open_policy
from ltrr.estimation.moments import ClusteredSums
from ltrr.evaluation.draws_by_class import DrawTable, draw_table, sample_decisions, sum_draws
from ltrr.evaluation.estimates import LIFE, estimate_rows
from ltrr.evaluation.judged_impressions import (
    ServedCounts,
    count_by_version,
    count_served,
    is_held_out,
    judged_impressions,
    only_by_policy,
    only_on_dates,
)
from ltrr.evaluation.judged_policy import CANDIDATE, CHALLENGER, CHAMPION, STATIC, UNIFORM, JudgedPolicy
from ltrr.evaluation.life import sum_life
from ltrr.evaluation.published import PlanningPart, list_same_plan_versions
from ltrr.evaluation.query_means import QueryMeans
from ltrr.evaluation.reward_model import PlanRewardModel, fit_reward_model
from ltrr.evaluation.scoring import ALL, sum_by_slice, to_scores
from ltrr.evaluation.static_plan import choose_static_plan
from ltrr.evaluation.training_sums import sum_training_decisions
from ltrr.pipelines.counted_users import name_heavy_users, only_counted_users
from ltrr.pipelines.night import Night
from ltrr.pipelines.whole_logs import without_thinned_dates
from ltrr.publishing.challengers import Candidate
from ltrr.publishing.exploration_price import ExplorationPrice, price_policies
from ltrr.publishing.trials import FrozenBandit
from ltrr.serving.bandit import PlanChooser
from ltrr.serving.values import PlanValuer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Findings:
    """Findings of one scan.

    Attributes:
        served: Number of impressions in the window, by how they were served.
        rows: Rows of `ope_estimates`.
        prices: Price of exploration, by policy.
        draws: Draws by query class, by policy.
    """

    served: ServedCounts
    rows: Sequence[dict[str, Any]] = ()
    prices: Mapping[str, ExplorationPrice] = field(default_factory=dict)
    draws: Mapping[str, DrawTable] = field(default_factory=dict)


def report_held_out(
    night: Night,
    champion: PlanningPart,
    candidate: Candidate | None,
    challenger: JudgedPolicy | None,
    distrusted: Collection[date],
) -> Findings:
    """The report on the closed dates of the window; only `served` if no date has closed yet."""
    settings, policy = night.settings.evaluation, night.settings.policy
    closed = [day for day in night.closed_dates(settings.window_days) if day not in distrusted]
    night.note(judged_dates=len(closed))
    window = Window.of(night, closed)
    if window.served.by_policy == 0:
        log.info("date=%s reported=nothing closed_dates=%d", night.date, len(closed))
        return Findings(window.served)
    held_out = is_held_out(settings.held_out_percent)
    training = window.impressions(~held_out)
    means = QueryMeans.of(training, settings.query_mean_strength)
    sums = sum_training_decisions(means.with_query_mean(training, is_counted=True), policy.space)
    if sums is None:
        log.warning("date=%s reported=nothing: no impressions of users that are trained on", night.date)
        return Findings(window.served)
    model = fit_reward_model(policy.space, sums.products.tolist(), settings.ridge)
    judged = _list_reported_policies(night, champion, candidate, choose_static_plan(sums, model))
    slices = _sum_scores(means.with_query_mean(window.impressions(held_out), is_counted=False), judged, model)
    rows = estimate_rows(night.date, slices, judged, window.served.fallback_share, settings)
    rows = name_heavy_users(night, rows, window.dates, window.impressions(held_out))
    share = settings.held_out_percent / 100.0
    prices = _price_exploration(night, slices, len(closed), [CHAMPION, *[CANDIDATE] * bool(candidate)], share)
    draw_from = [*judged, *([challenger] if challenger else [])]
    expected = window.served.by_policy * share
    sample = sample_decisions(
        only_by_policy(window.decisions.where(held_out), window.versions), min(settings.draws_decisions / expected, 1.0)
    )
    drawn = sum_draws(sample, draw_from, policy.space)
    draws = {one.name: draw_table(drawn, one.name, policy.space) for one in draw_from if one.chooser is not None}
    return Findings(window.served, rows, prices, draws)


def judge_life(
    night: Night, champion: PlanningPart, challenger: JudgedPolicy, data_end: date, distrusted: Collection[date]
) -> Findings:
    """Estimates of champion and challenger on all users, on closed dates after `data_end`."""
    settings, policy = night.settings.evaluation, night.settings.policy
    dates = [day for day in night.closed_dates() if day not in distrusted]
    since = Window.of(night, [day for day in dates if day > data_end])
    before = Window.of(night, [day for day in dates if day <= data_end][-settings.window_days :])
    night.note(life_dates=len(since.dates))
    if since.served.by_policy == 0 or before.served.by_policy == 0:
        log.info("date=%s judged=nothing life_dates=%d", night.date, len(since.dates))
        return Findings(since.served)
    judged = [JudgedPolicy(CHAMPION, champion.manifest.version, policy.space, chooser=champion.chooser()), challenger]
    slices = sum_life(before.impressions(), since.impressions(), judged, policy.space, settings)
    rows = estimate_rows(night.date, slices, judged, since.served.fallback_share, settings, LIFE)
    rows = name_heavy_users(night, rows, since.dates, since.impressions())
    return Findings(since.served, rows, _price_exploration(night, slices, len(since.dates), [CHALLENGER], share=1.0))


@dataclass(frozen=True)
class Window:
    """The logs of some dates.

    Attributes:
        dates: The closed dates.
        decisions: Decisions on these dates of the users and impressions that count
            (`users.limits`).
        slate_rows: Slate rows of these dates.
        served: Number of all impressions, by how they were served.
        versions: Bundles with the plans and features of the judged policies.
    """

    dates: Sequence[date]
    decisions: DataFrame
    slate_rows: DataFrame
    served: ServedCounts
    versions: Sequence[str]

    @staticmethod
    def of(night: Night, dates: Sequence[date]) -> Window:
        """From the tables of the night; the driver reads one row per served bundle."""
        policy = night.settings.policy
        decisions = without_thinned_dates(only_on_dates(night.read("decisions"), dates))
        by_version = count_by_version(decisions) if dates else {}
        versions = list_same_plan_versions(
            night.policies_root, policy.name, {version for version, _ in by_version}, policy
        )
        slate_rows = only_on_dates(night.read("slate_rows"), dates)
        counted = only_counted_users(night, decisions)
        return Window(dates, counted, slate_rows, count_served(by_version, versions), versions)

    def impressions(self, users: Column | None = None) -> DataFrame:
        """Impressions that a judged bundle served, with their reward, of some users or of all."""
        decisions, slate_rows = (
            rows if users is None else rows.where(users) for rows in (self.decisions, self.slate_rows)
        )
        return judged_impressions(decisions, slate_rows, self.versions)


def _list_reported_policies(
    night: Night, champion: PlanningPart, candidate: Candidate | None, static_plan: int
) -> list[JudgedPolicy]:
    space = night.settings.policy.space
    judged = [JudgedPolicy(CHAMPION, champion.manifest.version, space, chooser=champion.chooser())]
    if candidate:
        judged.append(judged_policy(night, CANDIDATE, candidate.bandit))
    judged.append(JudgedPolicy(UNIFORM, UNIFORM, space))
    judged.append(JudgedPolicy(STATIC, space.text(static_plan), space, plan=static_plan))
    return judged


def judged_policy(night: Night, name: str, bandit: FrozenBandit) -> JudgedPolicy:
    """A frozen bandit with its chooser; the hash of each file is verified on reading."""
    policy = night.settings.policy
    url = open_policy(night.policies_root, policy.name).url
    files = {file: get_payload(url, sha256) for file, sha256 in bandit.files.items()}
    model = files.pop(BANDIT, None)
    valuer = PlanValuer.of(policy, bandit.values, files)
    chooser = PlanChooser(policy.space, bandit.exploration, model, policy.observe, valuer, groups=policy.features)
    return JudgedPolicy(name, bandit.files[BANDIT], policy.space, chooser=chooser)


def _sum_scores(
    impressions: DataFrame, judged: Sequence[JudgedPolicy], model: PlanRewardModel
) -> dict[str, ClusteredSums]:
    return dict(sum_by_slice(to_scores(impressions, judged, model), [policy.name for policy in judged]))


def _price_exploration(
    night: Night, slices: Mapping[str, ClusteredSums], nights: int, policies: Sequence[str], share: float
) -> dict[str, ExplorationPrice]:
    plans = len(night.settings.policy.space)
    return price_policies(slices.get(ALL), policies, plans, nights, share, night.settings.gate)
