"""Settings of the strategy history."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class HistorySettings:
    """How the past performance of blocks is counted, faded and shrunk.

    Attributes:
        half_life_days: a draw counts half after this many days.
        window_days: days that are read; older draws weigh nothing.
        max_weight: the most that one draw may weigh, 1 / P(block drawn) being more. It bounds the variance of a block
            that only exploration draws; as rates are ratios of equally weighted sums, a block that is always clipped
            is not biased by it.
        fewest_prior_draws: effective draws that a coarser level is worth at least, whatever the data say.
        most_prior_draws: effective draws that it is worth at most; also where keys differ no more than chance.
        least_query_draws: decayed draws, of all its blocks together, from which a query has rates of its own.
        parts: files that the published rates of queries are split into, by hash of query_key.
        queries_per_part: queries of a part that are published, those drawn most; all others take the rates of their
            class. It bounds what every service loads, whatever the log grows to.
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
        """Refuse what cannot work.

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
