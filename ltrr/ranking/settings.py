"""Settings of the ranker."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class RankerSettings:
    """What the ranker learns from, and how.

    Attributes:
        window_nights: closed dates, up to and with the one closed tonight, that it is trained and judged on.
        held_out_query_percent: queries, by hash, that it is never trained on and alone is judged on.
        query_impressions: maximum number of clicked impressions per query and date, chosen by hash.
        gain_cap: largest weight of a click; a click at position j weighs 1 / examination(j), at most this.
        min_queries: fewer clicked training queries than this, and nothing is trained.
        num_workers: Spark tasks that train together; all must run at once, with one thread each.
        trees: boosting rounds.
        max_depth: of a tree.
        learning_rate: of a tree.
        min_child_weight: least sum of second derivatives in a leaf.
        ndcg_positions: positions that count, in training and judging.
        monotone: features that may only raise an entity, where the policy has them.
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
        """Refuse what cannot work.

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
