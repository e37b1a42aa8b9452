"""Settings of the plan bandit."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class BanditSettings:
    """Training data and parameters of the bandit.

    Attributes:
        window_nights: Number of closed dates that the bandit is trained on, the newest included.
        partitions: Number of parts that are trained separately and merged. On one machine use 4 to
            16; on a cluster, at least 10,000 decisions per part.
        query_decisions: Maximum number of decisions per query and date, chosen by hash, so that
            frequent queries do not dominate.
        propensity_clip: Minimum of a logging propensity, as a multiple of 1 / (number of plans).
            The weight of one decision is at most that of the uniform policy divided by
            propensity_clip.
        max_unshown_share: Maximum share of impressions whose drawn union did not fit on the page.
            Above it, no bandit is trained.
        learning_rate: Learning rate of Vowpal Wabbit, for its adaptive, normalised,
            importance-invariant updates.
        hash_bits: Number of hash bits: the model has 2 ** hash_bits weights.
        interactions: Pairs of crossed namespaces of `core.vw_text`: q query and looks, b blocks, v
            planner values.
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
        """Check the ranges of the settings.

        >>> BanditSettings(interactions=("qb", "title"))
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: bandit.interactions: expected pairs of q, b,
        v, got ('qb', 'title')
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
