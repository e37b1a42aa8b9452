"""The first gate: one challenger, one estimator, one bound.

A challenger replaces the champion when the lower confidence bound of the paired doubly robust difference
(challenger - champion) on page_reward lies above zero, at one-sided level alpha / 60: alpha .05 is spread evenly over
60 nights, so that even a new challenger every night that is no better is promoted in at most 5 % of such periods. Both
sides need the evidence floors, users are the clusters, and the data must be in order. Refusing is a success: it is what
the gate is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from ltrr.core.intervals import Estimate
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.traffic import Traffic, estimate_traffic


@dataclass(frozen=True)
class Judgement:
    """What the evaluation found out about tonight's challenger.

    Attributes:
        difference: challenger minus champion, doubly robust, paired by user; reward an impression.
        champion_value: doubly robust; reward an impression.
        evidence: R of the weaker side.
        effective_sample_size: of the weaker side, impressions.
        impressions: judged on, of held-out users.
        users: clusters.
        nights: closed dates judged on.
        held_out_share: of the users, 0..1.
        objections: reasons that forbid a verdict whatever the figures: fallbacks, unequal replays, a champion that
            changed meanwhile.
    """

    difference: Estimate
    champion_value: float
    evidence: float
    effective_sample_size: float
    impressions: int
    users: int
    nights: int
    held_out_share: float
    objections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What the gate decided.

    Attributes:
        is_promoted: whether the challenger replaces the champion.
        lower_bound: that decided, reward an impression; minus infinity where undefined.
        reasons: in words; never empty.
        traffic: how much it takes.
    """

    is_promoted: bool
    lower_bound: float
    reasons: tuple[str, ...]
    traffic: Traffic

    @property
    def why(self) -> str:
        """All reasons in one line."""
        return "; ".join(self.reasons)


def judge_challenger(judgement: Judgement, gate: GateSettings) -> Verdict:
    """Promote or refuse, with every reason.

    >>> seen = Estimate(0.12, 0.03)
    >>> verdict = judge_challenger(Judgement(seen, 0.6, 240.0, 430.0, 6_000, 500, 1, 0.3), GateSettings())
    >>> verdict.is_promoted, round(verdict.lower_bound, 4)
    (True, 0.0257)
    >>> judge_challenger(Judgement(seen, 0.6, 80.0, 430.0, 6_000, 500, 1, 0.3), GateSettings()).is_promoted
    False
    """
    difference = judgement.difference
    traffic = estimate_traffic(
        difference,
        judgement.champion_value,
        judgement.impressions,
        judgement.nights,
        judgement.held_out_share,
        gate,
    )
    bound = difference.low(1.0 - gate.level) if difference.is_defined else -inf
    against = [*judgement.objections, *_below_floors(judgement, gate)]
    if not difference.is_defined:
        against.append(f"undefined on {judgement.impressions} impressions of {judgement.users} users")
    elif not bound > 0.0:
        against.append(f"the lower bound is not above zero: {_difference_text(judgement, bound, gate)}")
    if not against:
        return Verdict(True, bound, (_difference_text(judgement, bound, gate), _traffic_text(traffic, gate)), traffic)
    return Verdict(False, bound, (*against, _traffic_text(traffic, gate)), traffic)


def _below_floors(judgement: Judgement, gate: GateSettings) -> Sequence[str]:
    floors = (
        ("evidence R", judgement.evidence, gate.least_evidence),
        ("effective sample size", judgement.effective_sample_size, gate.least_sample),
        ("number of users", float(judgement.users), float(gate.least_users)),
    )
    return [f"{name} is {got:.4g}, {floor:g} are needed" for name, got, floor in floors if not got >= floor]


def _difference_text(judgement: Judgement, bound: float, gate: GateSettings) -> str:
    difference, value = judgement.difference, judgement.champion_value
    relative = f" ({difference.value / value:+.1%})" if value > 0.0 else ""
    return (
        f"page reward differs by {difference.value:+.4f}{relative} from the champion's {value:.4f}, "
        f"at least {bound:+.4f} at level {gate.level:.2g} ({gate.alpha:g} spread evenly over {gate.budget_nights} "
        f"nights), on {judgement.impressions} impressions of {judgement.users} held-out users, "
        f"R {judgement.evidence:.0f}"
    )


def _traffic_text(traffic: Traffic, gate: GateSettings) -> str:
    if traffic.spread == inf:
        return "how much traffic a verdict needs cannot be told from this log yet"
    needs = (
        f"to see {gate.effect_of_interest:+.0%} with {gate.power:.0%} probability within {gate.patience_nights} nights "
        f"this log would need {traffic.impressions_a_night:,.0f} impressions a night"
    )
    if traffic.nights_at_this_difference == inf:
        return needs
    more = "no" if traffic.nights_at_this_difference == 0 else f"about {traffic.nights_at_this_difference:.0f}"
    return f"{needs}; a difference as large as this one needs {more} more nights like these"
