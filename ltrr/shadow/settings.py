"""Settings of the report on shadow mode."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class ShadowSettings:
    """Shadow mode: how far predictions are trusted, and which exploration is proposed.

    Args:
        sensitivity: Factor, >= 1, by which the true value of blocks that the static page did not
            show may differ from the prediction, up or down. The predicted gain has this range.
        floors: Floors of exploration that are compared, smallest first: shares of the probability
            that are spread over all plans.
        largest_share: Largest share of the users that a canary is proposed for.

    >>> ShadowSettings(sensitivity=0.5)
    Traceback (most recent call last):
    ltrr.errors.ConfigError: setting out of range: shadow.sensitivity: expected >= 1, got 0.5
    """

    sensitivity: float = 1.5
    floors: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    largest_share: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        object.__setattr__(self, "floors", tuple(self.floors))
        rules = (
            ("sensitivity", isfinite(self.sensitivity) and self.sensitivity >= 1.0, ">= 1"),
            (
                "floors",
                bool(self.floors)
                and all(0.0 < floor <= 1.0 for floor in self.floors)
                and sorted(set(self.floors)) == list(self.floors),
                "ascending numbers above 0, up to 1",
            ),
            ("largest_share", 0.0 < self.largest_share <= 0.5, "above 0, up to 0.5"),
        )
        check_ranges("shadow", self, rules)
