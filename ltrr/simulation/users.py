"""User model: how often users search, how far down they look, and what they click and buy.

They click by the position-based model: P(click at position j) = examination[j] * P(click |
examined, relevance), independently for every row of the page (Richardson, Dominowska & Ragno, WWW
2007; Craswell et al., WSDM 2008). Nothing here depends on the user, so true values are sums, not
simulations. docs/studies/worlds.md gives the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from ltrr.arrays import Floats
from ltrr.errors import check_ranges


@dataclass(frozen=True)
class UserModel:
    """Parameters of the users, from which true values of policies follow exactly.

    Attributes:
        users: Number of users.
        activity_exponent: The r-th most active user searches in proportion to
            r ** -activity_exponent.
        query_exponent: The r-th most frequent query_key is searched in proportion to
            r ** -query_exponent.
        page_size: Number of positions of a page.
        examination_exponent: examination[j] = j ** -examination_exponent, 1 at position 1.
        click_if_relevant: P(click | examined, relevance 1).
        click_if_irrelevant: P(click | examined, relevance 0). P(click | examined) is linear in the
            relevance.
        purchase_if_relevant: P(purchase | click, relevance 1).
        purchase_if_irrelevant: P(purchase | click, relevance 0).
        purchase_delay_hours: Mean time from click to purchase (exponential; none later than a day
            after the search).

    Raises:
        ConfigError: A share is outside [0, 1], an exponent is negative, or a count is below 1.

    >>> UserModel().examination().round(2).tolist()[:4]
    [1.0, 0.62, 0.46, 0.38]
    >>> UserModel().click_if_examined(np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [0.05, 0.425, 0.8]
    """

    users: int = 10_000
    activity_exponent: float = 0.4
    query_exponent: float = 0.8
    page_size: int = 10
    examination_exponent: float = 0.7
    click_if_relevant: float = 0.8
    click_if_irrelevant: float = 0.05
    purchase_if_relevant: float = 0.1
    purchase_if_irrelevant: float = 0.01
    purchase_delay_hours: float = 5.0

    def __post_init__(self) -> None:
        shares = ("click_if_relevant", "click_if_irrelevant", "purchase_if_relevant", "purchase_if_irrelevant")
        exponents = ("activity_exponent", "query_exponent", "examination_exponent")
        rules = (
            *((name, 0.0 <= getattr(self, name) <= 1.0, "0..1") for name in shares),
            *((name, 0.0 <= getattr(self, name) < inf, ">= 0") for name in exponents),
            *((name, getattr(self, name) >= 1, ">= 1") for name in ("users", "page_size")),
            ("purchase_delay_hours", 0.0 < self.purchase_delay_hours < inf, "> 0"),
        )
        check_ranges("", self, rules)

    def examination(self) -> Floats:
        """P(position is examined), [page_size]."""
        return np.arange(1, self.page_size + 1, dtype=np.float64) ** -self.examination_exponent

    def click_if_examined(self, relevance: Floats) -> Floats:
        """P(click | examined), any shape."""
        return self.click_if_irrelevant + (self.click_if_relevant - self.click_if_irrelevant) * relevance

    def purchase_if_clicked(self, relevance: Floats) -> Floats:
        """P(purchase | click), any shape."""
        return self.purchase_if_irrelevant + (self.purchase_if_relevant - self.purchase_if_irrelevant) * relevance


def zipf(count: int, exponent: float) -> Floats:
    """Shares of `count` items, [count], that sum to 1; the r-th is proportional to r ** -exponent.

    >>> zipf(3, 1.0).round(3).tolist()
    [0.545, 0.273, 0.182]
    """
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())
