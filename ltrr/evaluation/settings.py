"""Settings of the nightly evaluation of policies."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges
from ltrr.estimation.verdict import VerdictThresholds


@dataclass(frozen=True)
class EvaluationSettings(VerdictThresholds):
    """Evaluation of policies on logged data.

    Args:
        held_out_percent: Percentage of users that are held out of training. Policies are judged on
            these users only.
        window_days: Number of closed dates to judge on, counted back from the newest.
        ridge: Ridge penalty of the reward model, in impressions.
        query_mean_strength: Weight of the overall mean reward, in impressions, in the estimate of a
            query's own mean.
        replay_decisions: Number of logged decisions of a night that are replayed; all of them where
            there are fewer.
        replay_tolerance: Largest accepted difference between a replayed and a logged propensity.
        draws_decisions: Approximate number of held-out decisions from which a night computes its
            tables of draws; all of them where there are fewer.
    """

    held_out_percent: int = 30
    window_days: int = 14
    ridge: float = 10.0
    query_mean_strength: float = 2.0
    replay_decisions: int = 1_000
    replay_tolerance: float = 1e-6
    draws_decisions: int = 5_000

    def __post_init__(self) -> None:
        super().__post_init__()
        rules = (
            ("held_out_percent", 1 <= self.held_out_percent <= 99, "1..99"),
            ("window_days", self.window_days >= 1, ">= 1"),
            ("ridge", self.ridge > 0.0, "> 0"),
            ("query_mean_strength", self.query_mean_strength > 0.0, "> 0"),
            ("replay_decisions", self.replay_decisions >= 1, ">= 1"),
            ("replay_tolerance", self.replay_tolerance > 0.0, "> 0"),
            ("draws_decisions", self.draws_decisions >= 1, ">= 1"),
        )
        check_ranges("evaluation", self, rules)
