"""Settings of the click model."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class ClickSettings:
    """How examination is estimated and used.

    Attributes:
        window_days: days of slates, up to and with the night's own, that the curve is fitted on.
        max_positions: positions beyond share the curve's last value.
        prior_exponent: examination without data is position ** -prior_exponent.
        prior_clicks: weight of that prior, in clicks spread over the positions.
        min_linking_pairs: pairs that must have been clicked and seen at both of two positions to tie them.
        tolerance: the fit stops when no position moves by more than this share of itself.
        max_iterations: passes over the pairs after which it stops in any case, and says so.
        examination_floor: where clicks are divided by examination, examination counts as at least this much; it
            bounds the weight of one click at 1 / examination_floor.
    """

    window_days: int = 14
    max_positions: int = 20
    prior_exponent: float = 1.0
    prior_clicks: float = 20.0
    min_linking_pairs: int = 5
    tolerance: float = 1e-4
    max_iterations: int = 25
    examination_floor: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        >>> ClickSettings(examination_floor=0.0)
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: clicks.examination_floor: expected 0 < value <= 1, got 0.0
        """
        rules = (
            ("window_days", self.window_days >= 1, ">= 1"),
            ("max_positions", self.max_positions >= 2, ">= 2"),
            ("prior_exponent", self.prior_exponent >= 0, ">= 0"),
            ("prior_clicks", self.prior_clicks > 0, "> 0"),
            ("min_linking_pairs", self.min_linking_pairs >= 1, ">= 1"),
            ("tolerance", self.tolerance > 0, "> 0"),
            ("max_iterations", self.max_iterations >= 1, ">= 1"),
            ("examination_floor", 0 < self.examination_floor <= 1, "0 < value <= 1"),
        )
        check_ranges("clicks", self, rules)
