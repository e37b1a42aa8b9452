"""Settings of the strategy history."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class HistorySettings:
    """Counting, decay and shrinkage of the past performance of blocks.

    Attributes:
        half_life_days: Age, in days, at which a draw counts half.
        window_days: Number of days of draws that the rates are computed from, including the logical
            date of the night.
        max_weight: Maximum weight of one draw, 1 / P(block drawn). The limit bounds the variance of
            blocks that only exploration draws. Rates are ratios of equally weighted sums, so a
            block that is always clipped has no bias from it.
        fewest_prior_draws: Minimum, in effective draws, of the fitted weight of the next coarser
            level in the shrunk rates. The levels are single queries, query classes and all queries.
        most_prior_draws: Maximum, in effective draws, of the fitted weight of the next coarser
            level. The weight has this value if the rates within a level do not differ more than by
            chance.
        least_query_draws: Minimum number of decayed draws of a query, over all blocks, for the
            query to have rates of its own.
        parts: Number of files of the published rates of queries, split by a hash of query_key.
        queries_per_part: Maximum number of queries per published file: those with the most draws.
            Other queries use the rates of their class. The limit bounds what every service loads,
            whatever the size of the log.
    """

    half_life_days: float = 14.0
    window_days: int = 90
    max_weight: float = 100.0
    fewest_prior_draws: float = 1.0
    most_prior_draws: float = 5000.0
    least_query_draws: float = 20.0
    parts: int = 4
    queries_per_part: int = 2000

    def __post_init__(self) -> None:
        """Check the ranges.

        >>> HistorySettings(max_weight=0.5)
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: history.max_weight: expected >= 1, got 0.5
        """
        rules = (
            ("half_life_days", self.half_life_days > 0, "> 0"),
            ("window_days", self.window_days >= 1, ">= 1"),
            ("max_weight", self.max_weight >= 1, ">= 1"),
            ("fewest_prior_draws", self.fewest_prior_draws > 0, "> 0"),
            (
                "most_prior_draws",
                self.most_prior_draws >= self.fewest_prior_draws,
                ">= fewest_prior_draws",
            ),
            ("least_query_draws", self.least_query_draws > 0, "> 0"),
            ("parts", self.parts >= 1, ">= 1"),
            ("queries_per_part", self.queries_per_part >= 1, ">= 1"),
        )
        check_ranges("history", self, rules)
