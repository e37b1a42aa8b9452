"""Settings of the ranker."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class RankerSettings:
    """Training data and parameters of the ranker.

    Attributes:
        window_nights: Number of closed dates that the ranker is trained and evaluated on, the
            newest included.
        held_out_query_percent: Percentage of queries, by hash, that are held out of training. The
            ranker is evaluated on these queries only.
        query_impressions: Maximum number of clicked impressions per query and date, chosen by hash.
        gain_cap: Maximum weight of a click. The weight of a click at position j is 1 /
            examination(j), up to this limit.
        min_queries: Minimum number of clicked training queries. With fewer, no ranker is trained.
        num_workers: Number of Spark tasks that train together. All must run at the same time, each
            with one thread.
        trees: Number of boosting rounds.
        max_depth: Maximum depth of a tree.
        learning_rate: Shrinkage of the contribution of each tree.
        min_child_weight: Minimum sum of second derivatives in a leaf.
        ndcg_positions: Number of positions from the top of the page that count in training and
            evaluation.
        monotone: Names of features whose higher values never lower the score of an entity. Names of
            features that the policy does not have are ignored.
    """

    window_nights: int = 14
    held_out_query_percent: int = 30
    query_impressions: int = 200
    gain_cap: float = 10.0
    min_queries: int = 50
    num_workers: int = 2
    trees: int = 100
    max_depth: int = 5
    learning_rate: float = 0.1
    min_child_weight: float = 1.0
    ndcg_positions: int = 10
    monotone: tuple[str, ...] = ("fusion", "reciprocal_rank:memory", "score:memory")

    def __post_init__(self) -> None:
        """Check the ranges.

        >>> RankerSettings(num_workers=0)
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: ranker.num_workers: expected >= 1, got 0
        """
        positive = ("window_nights", "query_impressions", "min_queries", "num_workers", "trees", "max_depth")
        rules = [(name, getattr(self, name) >= 1, ">= 1") for name in (*positive, "ndcg_positions", "gain_cap")]
        rules.append(("held_out_query_percent", 1 <= self.held_out_query_percent <= 99, "1..99"))
        rules.append(("learning_rate", 0 < self.learning_rate <= 1, "0 < value <= 1"))
        rules.append(("min_child_weight", self.min_child_weight >= 0, ">= 0"))
        check_ranges("ranker", self, rules)
