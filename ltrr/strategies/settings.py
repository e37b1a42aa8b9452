"""Settings of the strategy history."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import ConfigError


@dataclass(frozen=True)
class HistorySettings:
    """How the past performance of blocks is counted, faded and shrunk.

    Attributes:
        half_life_days: a draw counts half after this many days.
        window_days: days that are read; older draws weigh nothing.
        max_weight: the most that one draw may weigh, 1 / P(block drawn) being more. It bounds the variance of a block
            that only exploration draws; as rates are ratios of equally weighted sums, a block that is always clipped
            is not biased by it.
        prior_draws: effective draws that the reciprocal-rank prior is worth against all draws of a block.
        class_prior_draws: effective draws that the rate of all queries is worth against those of one query class.
    """

    half_life_days: float = 14.0
    window_days: int = 90
    max_weight: float = 100.0
    prior_draws: float = 50.0
    class_prior_draws: float = 100.0

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        >>> HistorySettings(max_weight=0.5)
        Traceback (most recent call last):
        ltrr.errors.ConfigError: out of range: history.max_weight: expected >= 1, got 0.5
        """
        ranges = (
            ("half_life_days", self.half_life_days, self.half_life_days > 0, "> 0"),
            ("window_days", self.window_days, self.window_days >= 1, ">= 1"),
            ("max_weight", self.max_weight, self.max_weight >= 1, ">= 1"),
            ("prior_draws", self.prior_draws, self.prior_draws > 0, "> 0"),
            ("class_prior_draws", self.class_prior_draws, self.class_prior_draws > 0, "> 0"),
        )
        for name, value, is_right, wanted in ranges:
            if not is_right:
                raise ConfigError("out of range", which=f"history.{name}", expected=wanted, got=str(value))
