"""Report on the logged propensities: their errors, and the errors that the log would reveal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

from ltrr.estimation.calibration import Calibration
from ltrr.estimation.propensity_finding import POWER, Finding

COUNT_ERROR_LIMIT = 0.01
"""Significant error of an action's count, as a share of the decisions.

From this error on, no estimate of the log may be used."""

WEIGHT_ERROR_LIMIT = 0.05
"""Significant error of the sum of weights, as a share of it.

From this error on, no estimate of the log may be used."""

_SHOWN = 3


@dataclass(frozen=True)
class PropensityReport:
    """Errors of the logged propensities, and the errors that this log would have revealed.

    Attributes:
        findings: Observed and expected sums with their bounds.
        design_effect: Variance of the weights by user over that by row; NaN if all weights are
            equal.
    """

    findings: Sequence[Finding]
    design_effect: float

    @classmethod
    def of(cls, drawn: Calibration, design_effect: float) -> PropensityReport:
        """The report from a log's sums."""
        return cls(drawn.findings(design_effect), design_effect)

    @property
    def alarms(self) -> list[str]:
        """One text for each alarm; a correct log raises any with a probability of at most 1 %."""
        return [_alarm(finding) for finding in sorted(self.findings, key=_share_beyond, reverse=True) if finding.excess]

    @property
    def is_grave(self) -> bool:
        """Whether an error is so large that no estimate may be used."""
        return any(
            _share_beyond(f) >= (WEIGHT_ERROR_LIMIT if f.is_weight else COUNT_ERROR_LIMIT) for f in self.findings
        )

    def list_reasons(self) -> list[str]:
        """Reasons for the verdict: the largest alarms."""
        reasons = [f"wrong propensities: {alarm}" for alarm in self.alarms[:_SHOWN]]
        more = len(self.alarms) - _SHOWN
        return [*reasons, f"wrong propensities: {more} more"] if more > 0 else reasons

    def find_detection_limits(self) -> dict[str, float]:
        """The smallest errors that raise an alarm with 99 % probability; NaN if no error would.

        There are three kinds. The first is the share of rows whose propensity is logged at half or
        at twice its true value. The second is true over logged propensity if all rows are wrong.
        The third is the share by which the probability of one action is too small, for the best and
        the worst action.
        """
        weights = [finding for finding in self.findings if finding.is_weight]
        actions = [f.revealed_share(2.0) for f in self.findings if not f.is_weight and f.is_known]
        return {
            "rows_at_half": _best([finding.revealed_share(2.0) for finding in weights], min),
            "rows_at_twice": _best([finding.revealed_share(0.5) for finding in weights], min),
            "factor_above": _best([finding.revealed_factor(is_above=True) for finding in weights], min),
            "factor_below": _best([finding.revealed_factor(is_above=False) for finding in weights], max),
            "best_action": _best(actions, min),
            "worst_action": nan if any(map(isnan, actions)) else _best(actions, max),
        }

    def to_sentence(self) -> str:
        """The report as one line of text."""
        if self.alarms:
            return "propensities: wrong: " + "; ".join(self.alarms[:_SHOWN])
        found = self.find_detection_limits()
        texts = [
            (found["rows_at_half"], "{:.1%} of its rows logged at half their probability"),
            (found["rows_at_twice"], "{:.1%} logged at twice"),
            (found["factor_above"], "all rows at 1 / {:.2f} of it"),
            (found["factor_below"], "all rows at 1 / {:.2f} of it"),
            (found["best_action"], "one action's probability too small by {:.1%} where best seen"),
            (found["worst_action"], "by {:.1%} where worst"),
        ]
        would = ", ".join(text.format(value) for value, text in texts if not isnan(value))
        power = f"with {POWER:.0%} probability"
        line = f"this log would reveal {power}: {would}" if would else f"this log could not reveal any {power}"
        is_one_sided = not any(finding.is_known for finding in self.findings)
        blind = (
            "; without probabilities of the actions not taken it cannot reveal values that are too large"
            if is_one_sided
            else ""
        )
        return f"propensities: no sign that they are wrong; {line}{blind}"

    def to_json(self) -> dict[str, Any]:
        """All figures of the report."""
        rows = [
            {
                "what": finding.what,
                "rows": finding.rows,
                "observed": finding.observed,
                "expected": finding.expected,
                "ratio": finding.ratio,
                "excess": finding.excess,
                "has_lower_bound": finding.is_known,
            }
            for finding in self.findings
        ]
        return {
            "alarms": self.alarms,
            "would_reveal": self.find_detection_limits(),
            "design_effect": self.design_effect,
            "sums": rows,
        }


def _alarm(finding: Finding) -> str:
    if finding.is_weight:
        return f"the {finding.what} add up to {finding.ratio:.3f} of their expected sum"
    if finding.is_known:
        return f"{finding.what} was drawn {finding.observed:,.0f} times, its propensities say {finding.expected:,.0f}"
    return f"{finding.what} was drawn {finding.ratio:.3f} times as often as its propensities say"


def _share_beyond(finding: Finding) -> float:
    """Excess of the sum over its bound, as a share of the decisions or of all weight."""
    return finding.excess / finding.rows if finding.rows else 0.0


def _best(values: Sequence[float], choose: Any) -> float:
    known = [value for value in values if not isnan(value)]
    return float(choose(known)) if known else nan
