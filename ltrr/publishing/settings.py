"""Settings of the gate, which decides whether a challenger replaces the champion."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges
from ltrr.estimation.sequential import Design


@dataclass(frozen=True)
class GateSettings(Design):
    """Gate: sequential evaluation of challengers, and minimum evidence of a look.

    Args:
        least_evidence: Minimum evidence R of both sides, overall and per slice, for a decision.
        least_sample: Minimum effective sample size of both sides, in impressions.
        least_users: Minimum number of users, which are the clusters of the standard errors.
        power: Probability of detecting `effect` in the reported numbers of nights until a verdict.
        mismatch_level: Probability of a false sample-ratio alarm over the life of one canary, for
            each of its two tests.
        mismatch_size: Relative difference between a canary's share of impressions and its share of
            users that raises no alarm. A canary may change how often its users search.
    """

    least_evidence: float = 100.0
    least_sample: float = 100.0
    least_users: int = 50
    power: float = 0.8
    mismatch_level: float = 1e-4
    mismatch_size: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        rules = (
            ("least_evidence", self.least_evidence >= 20.0, ">= 20: below, no interval holds"),
            ("least_sample", self.least_sample >= 1.0, ">= 1"),
            ("least_users", self.least_users >= 2, ">= 2"),
            ("mismatch_level", 0.0 < self.mismatch_level <= 0.05, "above 0, at most 0.05"),
            ("mismatch_size", 0.0 <= self.mismatch_size < 1.0, "0 or more, below 1"),
            ("power", 0.5 <= self.power < 1.0, "0.5 or more, below 1"),
        )
        check_ranges("gate", self, rules)
