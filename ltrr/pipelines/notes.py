"""Notes: results of a job that are not tables, declared once per producing job.

A note is committed with its job in `job_runs.notes`, a map of strings. Jobs set and read notes by
the fields of these classes. A field that a job reads becomes an input of that job: if its value
changes, the reader is stale. A field without a default must be set by every run of its job; None
means that the run had nothing to note.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from ltrr.artifacts.payloads import Payload


@dataclass(frozen=True)
class JobNotes:
    """Notes of one job.

    Attributes:
        job: Name of the job that sets the notes.
    """

    job: ClassVar[str]


@dataclass(frozen=True)
class IngestNotes(JobNotes):
    """Notes of `ingest_logs`.

    Attributes:
        lines: Number of lines read.
        impressions: Number of accepted impressions.
        accepted_quality: Accepted quality checks that failed: name of the check -> reason.
    """

    job: ClassVar[str] = "ingest_logs"
    lines: int
    impressions: int
    accepted_quality: Mapping[str, str] | None = None


@dataclass(frozen=True)
class ClickModelNotes(JobNotes):
    """Notes of `fit_click_model`; None where no slate was shown.

    Attributes:
        examination_passes: Number of passes until the fit ended.
        examination_converged: Whether the fit converged within the allowed passes.
    """

    job: ClassVar[str] = "fit_click_model"
    examination_passes: int | None = None
    examination_converged: bool | None = None


@dataclass(frozen=True)
class MemoryNotes(JobNotes):
    """Notes of `build_memory`.

    Attributes:
        memory_parts: Files of the memory: name in a bundle -> stored object.
        memory_prior_examinations: Fitted prior strength k of the memory scores, in examinations.
        memory_churn: Share of the searches with known entities whose best entity differs from that
            of the night before.
        memory_known: Share of searches whose query is in the memory; NaN without searches.
        first_open_week: Monday of the first week that is not folded yet.
    """

    job: ClassVar[str] = "build_memory"
    memory_parts: Mapping[str, Payload]
    memory_prior_examinations: float | None = None
    memory_churn: float | None = None
    memory_known: float | None = None
    first_open_week: date | None = None


@dataclass(frozen=True)
class HistoryNotes(JobNotes):
    """Notes of `compute_strategy_features`.

    Attributes:
        history_sha256: Hash of the stored history file of all queries and classes.
        history_parts: Files of the history of single queries: name in a bundle -> stored object.
        prior_draws_all: Fitted prior strength of all queries, in draws.
        prior_draws_class: Fitted prior strength of query classes, in draws.
        prior_draws_query: Fitted prior strength of single queries, in draws.
        block_size: Number of candidates in a block.
        blocks_since: First date whose counts are of blocks of this size.
    """

    job: ClassVar[str] = "compute_strategy_features"
    history_sha256: str
    history_parts: Mapping[str, Payload] | None = None
    prior_draws_all: float | None = None
    prior_draws_class: float | None = None
    prior_draws_query: float | None = None
    block_size: int | None = None
    blocks_since: date | None = None


@dataclass(frozen=True)
class BanditNotes(JobNotes):
    """Notes of `train_bandit`; None where no bandit was trained.

    Attributes:
        rows_through: Newest closed date of which the job has written training rows.
        bandit_sha256: Hash of the stored model.
        decisions: Number of decisions that the model was trained on.
        progressive_loss: VW's progressive validation loss.
        mlflow_run_id: Run of the training in MLflow.
        values: Learned values, as `StoredValues.to_note` writes them.
    """

    job: ClassVar[str] = "train_bandit"
    rows_through: date | None = None
    bandit_sha256: str | None = None
    decisions: int | None = None
    progressive_loss: float | None = None
    mlflow_run_id: str | None = None
    values: str | None = None


@dataclass(frozen=True)
class RankerNotes(JobNotes):
    """Notes of `train_ranker`; None where no ranker was trained.

    Attributes:
        rows_through: Newest closed date of which the job has written training rows.
        ranker_sha256: Hash of the stored booster.
        mlflow_run_id: Run of the training in MLflow.
        judged_queries: Number of held-out queries that the booster was compared on.
        judged_users: Number of held-out users that the booster was compared on.
        judged_impressions: Number of impressions that the booster was compared on.
        dcg_candidate: Weighted DCG of the booster's order.
        dcg_fusion: Weighted DCG of reciprocal rank fusion.
        dcg_over_fusion: Difference of the two.
        dcg_over_fusion_low: Lower bound of the difference.
        dcg_over_fusion_high: Upper bound of the difference.
    """

    job: ClassVar[str] = "train_ranker"
    rows_through: date | None = None
    ranker_sha256: str | None = None
    mlflow_run_id: str | None = None
    judged_queries: int | None = None
    judged_users: int | None = None
    judged_impressions: int | None = None
    dcg_candidate: float | None = None
    dcg_fusion: float | None = None
    dcg_over_fusion: float | None = None
    dcg_over_fusion_low: float | None = None
    dcg_over_fusion_high: float | None = None


@dataclass(frozen=True)
class EvaluationNotes(JobNotes):
    """Notes of `evaluate_policies`.

    Attributes:
        champion_version: Version of the champion that the evaluation compares with.
        objections: Reasons against any verdict of this night.
        candidate_sha256: Hash of the night's candidate bandit; empty where there is none.
        challenger: Trial of the evaluated challenger; empty where there is none.
        judged_dates: Number of closed dates in the report on held-out users.
        life_dates: Number of closed dates in the challenger's life.
        distrusted_dates: Dates that are not judged on, because their replayed propensities were
            unequal.
        replayed_decisions: Number of replayed decisions.
        replay_worst_difference: Largest difference between a replayed and a logged propensity.
        accepted_quality: Accepted quality checks that failed: name of the check -> reason.
        exploration_price: Policy -> price of its exploration, as `ExplorationPrice.to_json` writes
            it.
        draws_by_class: Policy -> its draws by query class.
        impressions_by_policy: Number of impressions of the window served by a policy with the
            judged plans.
        impressions_by_other_space: Number of impressions served by a policy with other plans or
            features.
        impressions_by_static: Number of impressions served by a fixed plan.
        impressions_by_fallback: Number of impressions served by a fallback.
        canary_dates: Number of closed dates in the canary's life; None without a canary.
        canary_objections: Reasons against any verdict on the canary.
        served_ranker: Hash of the booster of the champion; empty for reciprocal rank fusion.
        ranker_trial: Trial of the evaluated ranker; None where no trial was evaluated.
        ranker_life: Judgement of that trial, as `publishing.ranker_gate.to_note` writes it.
        ranker_report: Judgement of the night's candidate ranker on held-out users, in the same
            form.
    """

    job: ClassVar[str] = "evaluate_policies"
    champion_version: str
    objections: tuple[str, ...]
    candidate_sha256: str | None = None
    challenger: str | None = None
    judged_dates: int | None = None
    life_dates: int | None = None
    distrusted_dates: tuple[date, ...] | None = None
    replayed_decisions: int | None = None
    replay_worst_difference: float | None = None
    accepted_quality: Mapping[str, str] | None = None
    exploration_price: Mapping[str, Mapping[str, Any]] | None = None
    draws_by_class: Mapping[str, Any] | None = None
    impressions_by_policy: int | None = None
    impressions_by_other_space: int | None = None
    impressions_by_static: int | None = None
    impressions_by_fallback: int | None = None
    canary_dates: int | None = None
    canary_objections: tuple[str, ...] | None = None
    served_ranker: str | None = None
    ranker_trial: str | None = None
    ranker_life: Mapping[str, Any] | None = None
    ranker_report: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ReleaseNotes(JobNotes):
    """Notes of `publish_policy`; outcomes are empty where there is no trial.

    Attributes:
        version: Published version.
        action: What was released: `refreshed` or `promoted`.
        why: Reasons of the release.
        verdict: Verdict on the challenger.
        outcome: Outcome of the challenger's trial.
        challenger: Trial of the challenger.
        canary: Version of the canary from this night on.
        canary_outcome: Outcome of the canary's trial.
        canary_verdict: Verdict on the canary.
        ranker_outcome: Outcome of the ranker's trial.
        ranker_verdict: Verdict on the ranker.
    """

    job: ClassVar[str] = "publish_policy"
    version: str
    action: str
    why: str
    verdict: str = ""
    outcome: str = ""
    challenger: str = ""
    canary: str = ""
    canary_outcome: str = ""
    canary_verdict: str = ""
    ranker_outcome: str = ""
    ranker_verdict: str = ""


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
