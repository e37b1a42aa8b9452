"""How policies are judged."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import ConfigError


@dataclass(frozen=True)
class EvaluationSettings:
    """Judging on logged data.

    Args:
        held_out_percent: users whose fold is below this are never trained on, and alone are judged on.
        window_days: closed dates judged on, counted back from the newest.
        confidence: of the two-sided intervals in `ope_estimates`.
        ridge: penalty of the reward model, in impressions: what a coefficient of one costs.
        query_mean_strength: impressions that the overall mean reward counts for beside a query's own.
        least_evidence: R below which a number is not to be used.
        good_evidence: R from which it may be trusted.
        good_sample: effective sample size from which it may be trusted, impressions.
        good_users: clusters from which a standard error may be trusted.
        unsupported_care: share of a policy's mass on plans that the log can never show, above which to take care.
        unsupported_limit: share above which a number is not to be used.
        fallback_limit: share of impressions not served by the policy above which nothing is judged.
        replay_decisions: logged decisions of a night that are replayed; all where there are fewer.
        replay_tolerance: largest difference of a replayed propensity.
        draws_decisions: held-out decisions, about, that a night's tables of draws are made from; all where there are
            fewer.
    """

    held_out_percent: int = 30
    window_days: int = 14
    confidence: float = 0.95
    ridge: float = 10.0
    query_mean_strength: float = 2.0
    least_evidence: float = 20.0
    good_evidence: float = 100.0
    good_sample: float = 100.0
    good_users: int = 50
    unsupported_care: float = 0.05
    unsupported_limit: float = 0.20
    fallback_limit: float = 0.01
    replay_decisions: int = 1_000
    replay_tolerance: float = 1e-6
    draws_decisions: int = 5_000

    def __post_init__(self) -> None:
        for name, holds, expected in (
            ("held_out_percent", 1 <= self.held_out_percent <= 99, "1..99"),
            ("window_days", self.window_days >= 1, ">= 1"),
            ("confidence", 0.5 < self.confidence < 1.0, "between 0.5 and 1"),
            ("ridge", self.ridge > 0.0, "> 0"),
            ("query_mean_strength", self.query_mean_strength > 0.0, "> 0"),
            ("good_evidence", self.good_evidence >= self.least_evidence >= 0.0, ">= least_evidence >= 0"),
            ("unsupported_limit", 0.0 <= self.unsupported_care <= self.unsupported_limit <= 1.0, "care <= limit <= 1"),
            ("fallback_limit", 0.0 <= self.fallback_limit <= 1.0, "0..1"),
            ("replay_decisions", self.replay_decisions >= 1, ">= 1"),
            ("replay_tolerance", self.replay_tolerance > 0.0, "> 0"),
            ("draws_decisions", self.draws_decisions >= 1, ">= 1"),
        ):
            if not holds:
                raise ConfigError(
                    "setting out of range", which=f"evaluation.{name}", expected=expected, got=str(getattr(self, name))
                )
