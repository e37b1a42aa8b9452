"""Settings of the click model."""

from __future__ import annotations

from dataclasses import dataclass

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class ClickSettings:
    """Estimation and use of examination probabilities.

    Attributes:
        model: Name of the click model. position_based fits the position-based model by EM.
        window_days: Number of days of shown pages that the examination curve is fitted on,
            including the logical date of the night.
        max_positions: Number of positions with an examination probability of their own; later
            positions share the last one.
        prior_exponent: Exponent of the prior curve: without data, examination is position **
            -prior_exponent.
        prior_clicks: Weight of the prior curve in the fit, in clicks spread over all positions.
        min_linking_pairs: Minimum number of pairs of query and entity that link two positions: they
            were clicked and shown at both. Positions that are not linked to position 1 have no
            estimate of their own.
        tolerance: Largest relative change of any position's examination in one pass at which the
            fit counts as converged.
        max_iterations: Maximum number of passes over the pairs. A fit that needs more is reported
            as not converged.
        examination_floor: Lower limit of an examination by which clicks are divided. The weight of
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
        ltrr.errors.ConfigError: setting out of range: clicks.examination_floor:
        expected 0 < value <= 1, got 0.0
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
