"""Notes: results of a job that are not tables, declared once per producing job.

A note is committed with its job in `job_runs.notes`, a map of strings. Jobs set and read notes by
the fields of these classes. A field that a job reads becomes an input of that job: if its value
changes, the reader is stale.

A note is required if every run of its job must set it:

- A field without a default is required, and every version of ltrr has set it.
- A field with the metadata `ADDED_LATER` is required, but runs of earlier versions of ltrr did not
  set it. It is None for such a run.
- Any other field is optional. It is None if the run did not set it; its description says when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date
from typing import Any, ClassVar

from ltrr.artifacts.payloads import Payload

ADDED_LATER: Mapping[str, bool] = {"is_added_later": True}
"""Metadata of a required note that runs of earlier versions of ltrr did not set."""


@dataclass(frozen=True, kw_only=True)
class JobNotes:
    """Notes of one job.

    Attributes:
        job: Name of the job that sets the notes.
    """

    job: ClassVar[str]


def required_notes(kind: type[JobNotes]) -> list[str]:
    """Names of the notes that every run of the job must set.

    >>> required_notes(IngestNotes), required_notes(BanditNotes)
    (['lines', 'impressions', 'with_propensities', 'query_key_version', 'shadow_decisions'], [])
    """
    return [one.name for one in fields(kind) if one.default is MISSING or "is_added_later" in one.metadata]


@dataclass(frozen=True, kw_only=True)
class IngestNotes(JobNotes):
    """Notes of `ingest_logs`.

    Attributes:
        lines: Number of lines read.
        impressions: Number of accepted impressions.
        shadow_decisions: Number of accepted static pages with the choice of a shadow policy.
        query_key_version: Version of the query key of the home. None in runs that used version 1
            before the key had versions.
        thinned_choices: Number of accepted choices of a decision service that stand for others that
            it dropped. None if there are none.
        accepted_quality: Failed quality checks that the operator accepted: name of the check ->
            reason. None if no check failed.
        with_propensities: Number of accepted impressions with the propensities of a choice.
    """

    job: ClassVar[str] = "ingest_logs"
    lines: int
    impressions: int
    with_propensities: int | None = field(default=None, metadata=ADDED_LATER)
    query_key_version: int | None = field(default=None, metadata=ADDED_LATER)
    shadow_decisions: int | None = field(default=None, metadata=ADDED_LATER)
    accepted_quality: Mapping[str, str] | None = None
    thinned_choices: int | None = None


@dataclass(frozen=True, kw_only=True)
class ClickModelNotes(JobNotes):
    """Notes of `fit_click_model`.

    Attributes:
        examination_passes: Number of passes until the fit ended. None if the window has no slates,
            so that nothing was fitted.
        examination_converged: Whether the fit converged within the allowed passes. None if the
            window has no slates.
    """

    job: ClassVar[str] = "fit_click_model"
    examination_passes: int | None = None
    examination_converged: bool | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryNotes(JobNotes):
    """Notes of `build_memory`.

    Attributes:
        memory_parts: Files of the memory: name in a bundle -> stored object.
        memory_prior_examinations: Fitted prior strength k of the memory scores, in examinations.
        memory_churn: Share of the searches with known entities whose best entity differs from that
            of the night before; NaN if there are no such searches.
        memory_known: Share of searches whose query is in the memory; NaN without searches.
        first_open_week: Monday of the first week that is not folded yet. None in runs of ltrr 0.1.
    """

    job: ClassVar[str] = "build_memory"
    memory_parts: Mapping[str, Payload]
    memory_prior_examinations: float
    memory_churn: float
    memory_known: float
    first_open_week: date | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True, kw_only=True)
class HistoryNotes(JobNotes):
    """Notes of `compute_strategy_features`.

    Attributes:
        history_sha256: Hash of the stored history file of all queries and classes.
        history_parts: Files of the history of single queries: name in a bundle -> stored object.
            None in early runs of ltrr 0.1.
        prior_draws_all: Fitted prior strength of all queries, in draws.
        prior_draws_class: Fitted prior strength of query classes, in draws.
        prior_draws_query: Fitted prior strength of single queries, in draws.
        block_size: Number of candidates in a block. None in runs of ltrr 0.1.
        blocks_since: First date whose counts are of blocks of this size. None in runs of ltrr 0.1.
    """

    job: ClassVar[str] = "compute_strategy_features"
    history_sha256: str
    history_parts: Mapping[str, Payload] | None = field(default=None, metadata=ADDED_LATER)
    prior_draws_all: float
    prior_draws_class: float
    prior_draws_query: float
    block_size: int | None = field(default=None, metadata=ADDED_LATER)
    blocks_since: date | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True, kw_only=True)
class BanditNotes(JobNotes):
    """Notes of `train_bandit`.

    No bandit is trained if no date has closed yet or if no decision of a training user is left.

    Attributes:
        rows_through: Newest closed date of which the job has written training rows. None until the
            first date closes, and in runs of ltrr 0.1.
        bandit_sha256: Hash of the stored model. None if no bandit was trained.
        decisions: Number of decisions that the model was trained on. None if no bandit was trained.
        progressive_loss: VW's progressive validation loss. None if no bandit was trained.
        mlflow_run_id: Run of the training in MLflow. None if no bandit was trained.
        values: Learned values, as `StoredValues.to_note` writes them. None if no date has closed
            yet, or with too few queries to learn values.
    """

    job: ClassVar[str] = "train_bandit"
    rows_through: date | None = None
    bandit_sha256: str | None = None
    decisions: int | None = None
    progressive_loss: float | None = None
    mlflow_run_id: str | None = None
    values: str | None = None


LOGGED, KNOWN = "logged", "known"
"""Values of `RankerNotes.ranker_basis`."""


@dataclass(frozen=True, kw_only=True)
class RankerNotes(JobNotes):
    """Notes of `train_ranker`.

    No ranker is trained if no date has closed yet or if too few queries were clicked. All notes but
    `rows_through` and `ranker_why` are None then.

    Attributes:
        rows_through: Newest closed date of which the job has written training rows. None until the
            first date closes, and in runs of ltrr 0.1.
        ranker_sha256: Hash of the stored booster.
        ranker_basis: Pages that it was trained and compared on: `logged` (features are logged) or
            `known` (the log has no features; those that are known without it count). None in runs
            of ltrr 0.1, whose pages had logged features.
        ranker_why: Why no ranker was trained, or what a ranker of `known` was compared with. None
            for a ranker of `logged`.
        mlflow_run_id: Run of the training in MLflow.
        judged_queries: Number of held-out queries that the booster was compared on.
        judged_users: Number of held-out users that the booster was compared on.
        judged_impressions: Number of impressions that the booster was compared on.
        dcg_candidate: Weighted DCG of the booster's order.
        dcg_fusion: Weighted DCG of reciprocal rank fusion; None if the basis is `known`.
        dcg_over_fusion: `dcg_candidate` - `dcg_fusion`.
        dcg_over_fusion_low: Lower bound of the difference.
        dcg_over_fusion_high: Upper bound of the difference.
        dcg_shown: Weighted DCG of the order that the log shows; None if the basis is `logged`.
        dcg_over_shown: `dcg_candidate` - `dcg_shown`.
        dcg_over_shown_low: Lower bound of the difference.
        dcg_over_shown_high: Upper bound of the difference.
    """

    job: ClassVar[str] = "train_ranker"
    rows_through: date | None = None
    ranker_sha256: str | None = None
    ranker_basis: str | None = None
    ranker_why: str | None = None
    mlflow_run_id: str | None = None
    judged_queries: int | None = None
    judged_users: int | None = None
    judged_impressions: int | None = None
    dcg_candidate: float | None = None
    dcg_fusion: float | None = None
    dcg_over_fusion: float | None = None
    dcg_over_fusion_low: float | None = None
    dcg_over_fusion_high: float | None = None
    dcg_shown: float | None = None
    dcg_over_shown: float | None = None
    dcg_over_shown_low: float | None = None
    dcg_over_shown_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationNotes(JobNotes):
    """Notes of `evaluate_policies`.

    Attributes:
        champion_version: Version of the champion that the evaluation compares with.
        objections: Reasons against any verdict of this night.
        candidate_sha256: Hash of the night's candidate bandit; empty if there is none.
        challenger: Trial of the evaluated challenger; empty if there is none.
        judged_dates: Number of closed dates in the report on held-out users.
        life_dates: Number of closed dates in the challenger's life. None without a challenger.
        distrusted_dates: Dates that are not evaluated, because their replayed propensities were
            unequal. None in early runs of ltrr 0.1.
        replayed_decisions: Number of replayed decisions.
        replay_worst_difference: Largest difference between a replayed and a logged propensity.
        accepted_quality: Failed quality checks that the operator accepted: name of the check ->
            reason. None if no check failed.
        exploration_price: Policy -> price of its exploration, as `ExplorationPrice.to_json` writes
            it. None in early runs of ltrr 0.1.
        draws_by_class: Policy -> its draws by query class. None in early runs of ltrr 0.1.
        impressions_by_policy: Number of impressions of the window served by a policy with the
            judged plans.
        impressions_by_other_space: Number of impressions served by a policy with other plans or
            features.
        impressions_by_static: Number of impressions served by a fixed plan.
        impressions_by_fallback: Number of impressions served by a fallback.
        canary_dates: Number of closed dates in the canary's life. None without a canary.
        canary_objections: Reasons against any verdict on the canary. None without a canary.
        served_ranker: Hash of the booster of the champion; empty for reciprocal rank fusion. None
            in runs of ltrr 0.1.
        ranker_trial: Trial of the evaluated ranker. None if the night evaluated no trial of a
            ranker.
        ranker_life: Judgement of that trial, as `publishing.ranker_gate.to_note` writes it. None
            if the night evaluated no trial of a ranker.
        ranker_report: Judgement of the night's candidate ranker on held-out users, in the same
            form. None if the night evaluated a trial, or has no new ranker.
    """

    job: ClassVar[str] = "evaluate_policies"
    champion_version: str
    objections: tuple[str, ...]
    candidate_sha256: str
    challenger: str
    judged_dates: int
    life_dates: int | None = None
    distrusted_dates: tuple[date, ...] | None = field(default=None, metadata=ADDED_LATER)
    replayed_decisions: int
    replay_worst_difference: float
    accepted_quality: Mapping[str, str] | None = None
    exploration_price: Mapping[str, Mapping[str, Any]] | None = field(default=None, metadata=ADDED_LATER)
    draws_by_class: Mapping[str, Any] | None = field(default=None, metadata=ADDED_LATER)
    impressions_by_policy: int
    impressions_by_other_space: int
    impressions_by_static: int
    impressions_by_fallback: int
    canary_dates: int | None = None
    canary_objections: tuple[str, ...] | None = None
    served_ranker: str | None = field(default=None, metadata=ADDED_LATER)
    ranker_trial: str | None = None
    ranker_life: Mapping[str, Any] | None = None
    ranker_report: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ReleaseNotes(JobNotes):
    """Notes of `publish_policy`.

    Attributes:
        version: Published version.
        action: What was released: `refreshed` or `promoted`.
        why: Reasons of the release.
        verdict: Verdict on the challenger.
        outcome: Outcome of the challenger's trial; empty without a trial.
        challenger: Trial of the challenger; empty without a trial.
        canary: Version of the canary from this night on; empty without a canary.
        canary_outcome: Outcome of the canary's trial; empty without a trial.
        canary_verdict: Verdict on the canary; empty if there is none.
        ranker_outcome: Outcome of the ranker's trial; empty without a trial. None in runs of
            ltrr 0.1.
        ranker_verdict: Verdict on the ranker; empty if there is none. None in runs of ltrr 0.1.
    """

    job: ClassVar[str] = "publish_policy"
    version: str
    action: str
    why: str
    verdict: str
    outcome: str
    challenger: str
    canary: str
    canary_outcome: str
    canary_verdict: str
    ranker_outcome: str | None = field(default=None, metadata=ADDED_LATER)
    ranker_verdict: str | None = field(default=None, metadata=ADDED_LATER)


NOTES: dict[str, type[JobNotes]] = {
    kind.job: kind
    for kind in (
        IngestNotes,
        ClickModelNotes,
        MemoryNotes,
        HistoryNotes,
        BanditNotes,
        RankerNotes,
        EvaluationNotes,
        ReleaseNotes,
    )
}
"""Job -> declaration of its notes."""
