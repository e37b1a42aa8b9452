"""When a challenger may replace the champion."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import ConfigError


@dataclass(frozen=True)
class GateSettings:
    """The gate.

    Args:
        alpha: probability of ever promoting a challenger that is no better, over the whole budget.
        budget_nights: nights over which alpha is spread evenly; each decision is made at level alpha / budget_nights.
        least_evidence: R that both sides need before a bound may decide.
        least_sample: effective sample size that both sides need, impressions.
        least_users: clusters that a standard error needs.
        effect_of_interest: smallest gain worth waiting for, relative to the champion; for the traffic figure only.
        power: probability of seeing that gain, for the traffic figure only.
        patience_nights: nights in which it should be seen, for the traffic figure only.
    """

    alpha: float = 0.05
    budget_nights: int = 60
    least_evidence: float = 100.0
    least_sample: float = 100.0
    least_users: int = 50
    effect_of_interest: float = 0.02
    power: float = 0.8
    patience_nights: int = 14

    def __post_init__(self) -> None:
        for name, holds, expected in (
            ("alpha", 0.0 < self.alpha < 0.5, "between 0 and 0.5"),
            ("budget_nights", self.budget_nights >= 1, ">= 1"),
            ("least_evidence", self.least_evidence >= 20.0, ">= 20: below, no interval holds"),
            ("least_sample", self.least_sample >= 1.0, ">= 1"),
            ("least_users", self.least_users >= 2, ">= 2"),
            ("effect_of_interest", self.effect_of_interest > 0.0, "> 0"),
            ("power", 0.5 <= self.power < 1.0, "0.5 or more, below 1"),
            ("patience_nights", self.patience_nights >= 1, ">= 1"),
        ):
            if not holds:
                raise ConfigError(
                    "setting out of range", which=f"gate.{name}", expected=expected, got=str(getattr(self, name))
                )

    @property
    def level(self) -> float:
        """Of tonight's one-sided decision.

        >>> round(GateSettings().level, 6)
        0.000833
        """
        return self.alpha / self.budget_nights
