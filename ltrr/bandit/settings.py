"""Settings of the plan bandit."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class BanditSettings:
    """What the bandit learns from, and how.

    Attributes:
        window_nights: closed dates, up to and with the one closed tonight, that it is trained on.
        partitions: parts that are trained apart and merged; 4 to 16 keep one machine busy, on a cluster choose it so
            that a part holds at least 10,000 decisions.
        query_decisions: decisions of one query and date at most, chosen by hash; hot queries must not drown the rest.
        propensity_clip: a logging propensity counts as at least this multiple of 1 / (number of plans). It bounds the
            weight of one decision at that of the uniform policy over propensity_clip.
        max_unshown_share: impressions whose drawn union did not fit the page, as a share; above it nothing is learned.
        learning_rate: Vowpal Wabbit's, of its adaptive, normalised, importance-invariant updates.
        hash_bits: weights are kept in 2 ** hash_bits places.
        interactions: namespaces of core.vw_text that are crossed: q query and looks, b blocks, v planner values.
    """

    window_nights: int = 14
    partitions: int = 4
    query_decisions: int = 200
    propensity_clip: float = 1.0
    max_unshown_share: float = 0.05
    learning_rate: float = 0.1
    hash_bits: int = 18
    interactions: tuple[str, ...] = ("qb", "qv")

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        >>> BanditSettings(interactions=("qb", "title"))
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: bandit.interactions: expected pairs of q, b, v, \
got ('qb', 'title')
        """
        rules = (
            ("window_nights", self.window_nights >= 1, ">= 1"),
            ("partitions", self.partitions >= 1, ">= 1"),
            ("query_decisions", self.query_decisions >= 1, ">= 1"),
            ("propensity_clip", self.propensity_clip >= 0, ">= 0"),
            ("max_unshown_share", 0 <= self.max_unshown_share <= 1, "0..1"),
            ("learning_rate", self.learning_rate > 0, "> 0"),
            ("hash_bits", 10 <= self.hash_bits <= 30, "10..30"),
            (
                "interactions",
                all(len(pair) == 2 and set(pair) <= set("qbv") for pair in self.interactions),
                "pairs of q, b, v",
            ),
        )
        check_ranges("bandit", self, rules)
