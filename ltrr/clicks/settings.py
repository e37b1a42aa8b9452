"""Settings of the click model."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class ClickSettings:
    """Estimation and use of examination probabilities.

    Attributes:
        model: Name of the click model. position_based fits the position-based model by EM.
        window_days: Number of days of slates that the examination curve is fitted on, the night's
            own date included.
        max_positions: Number of positions with an examination probability of their own; later
            positions share the last one.
        prior_exponent: Exponent of the prior curve: without data, examination is position **
            -prior_exponent.
        prior_clicks: Weight of the prior curve, in clicks spread over the positions.
        min_linking_pairs: Minimum number of pairs that were clicked and seen at both of two
            positions, for the positions to be linked.
        tolerance: Relative change per position below which the fit has converged.
        max_iterations: Maximum number of passes over the pairs. A fit that needs more is reported
            as not converged.
        examination_floor: Minimum examination in divisions of clicks by examination. The weight of
            one click is at most 1 / examination_floor.
    """

    model: str = "position_based"
    window_days: int = 14
    max_positions: int = 20
    prior_exponent: float = 1.0
    prior_clicks: float = 20.0
    min_linking_pairs: int = 5
    tolerance: float = 1e-4
    max_iterations: int = 25
    examination_floor: float = 0.05

    def __post_init__(self) -> None:
        """Check the ranges.

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
