"""Check of the logged propensities: what was drawn, compared with what they promise.

If p(a|x) is the probability with which action a was drawn, each of these sums has mean zero,
whatever was earned:

    per action         sum of 1{a drawn} - p(a|x)
    per policy pi      sum of w 1{w <= C} - sum over actions of pi(a|x) 1{pi(a|x) <= C p(a|x)},    w = pi / p

and, given the contexts, a variance V that follows from the propensities: p (1 - p) for each row and
action. So nothing is estimated and no count is too small: by Bernstein's inequality (for draws that
follow each other, Freedman, "On Tail Probabilities for Martingales", 1975) a sum passes sqrt(2 V L)
+ b L / 3 with probability at most exp(-L), b the most that one row can add. With L = log(number of
bounds / LEVEL) a true log raises any alarm with probability LEVEL at most.

A log with the propensity of the drawn action alone reveals less. 1{a drawn} / p has mean one, or
less where a cannot be drawn, so only an *excess* is a fault: an action that was rarely possible
looks the same as a propensity logged too large. V is then the sum of (1{a} / p - 1)^2 as seen; such
a sum is skewed to the right, and above it the empirical V is safe (Bercu & Touati, "Exponential
Inequalities for Self-Normalized Martingales", 2008).

Draws that are repeated for a user are not independent: V and b are multiplied by a design effect,
the variance of the weights by user over that by row (Kish, "Survey Sampling", 1965).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from math import log

import numpy as np
from numpy.typing import NDArray

from ltrr.estimation.arrays import Floats
from ltrr.estimation.exact_sums import exact_total
from ltrr.estimation.fixed_point import TERM_BITS, from_fixed, to_fixed
from ltrr.estimation.keyed_sums import join_by_key
from ltrr.estimation.propensity_finding import JUDGED, UNIFORM, Finding

LEVEL = 0.01
"""Probability of a false alarm, for all bounds of a log together."""

HEAVIEST = 100.0
"""C: larger weights are left out on both sides, because a single one would hide all other faults."""

MOST_ACTIONS = 1_000
"""Actions with this number or a larger one are tested in the weights only."""

_LARGEST_INVERSE = 2.0**18


@dataclass(frozen=True)
class Tally:
    """Observed and promised of one sum; `+` joins disjoint rows. Whole numbers of 2^-24.

    Attributes:
        observed: What was drawn.
        expected: Its mean by the logged propensities.
        variance: V.
        largest: The most that one row could add.
        squares: Squares of the policy's probabilities: what V gains if the drawn action's
            propensity is logged at half its value.
    """

    observed: int
    expected: int
    variance: int
    largest: int
    squares: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.observed + other.observed,
            self.expected + other.expected,
            self.variance + other.variance,
            max(self.largest, other.largest),
            self.squares + other.squares,
        )


@dataclass(frozen=True)
class Calibration:
    """Sums of what was drawn and promised; `+` joins disjoint rows, in any order to the same bits.

    Attributes:
        listed: Number of rows with the propensities of all actions.
        unlisted: Number of rows with that of the drawn action alone.
        known: Tallies of the listed rows, by action or policy.
        seen: Tallies of the unlisted rows; for an action, over the rows that drew it.

    >>> rng = np.random.default_rng(1)
    >>> p = np.tile([0.5, 0.3, 0.2], (4_000, 1))
    >>> def drawn(truth):
    ...     action = rng.choice(3, size=4_000, p=truth)
    ...     return Calibration.of(p[0][action], action, loggings=p)
    >>> [finding.what for finding in drawn([0.5, 0.3, 0.2]).findings() if finding.excess]
    []
    >>> [finding.what for finding in drawn([0.5, 0.1, 0.4]).findings() if finding.excess]
    ['action 1', 'action 2', 'weights of the uniform policy']
    """

    listed: int = 0
    unlisted: int = 0
    known: Mapping[str, Tally] = field(default_factory=dict)
    seen: Mapping[str, Tally] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        logging: Floats,
        action: NDArray[np.int64],
        *,
        loggings: Floats | None = None,
        targets: Floats | None = None,
        widths: NDArray[np.int64] | None = None,
        weights: Floats | None = None,
    ) -> Calibration:
        """Of N decisions.

        Args:
            logging: Propensity of the drawn action, [N].
            action: The drawn action, from 0, [N]; negative where unknown.
            loggings: Propensities of all actions, [N, A]; None, or a row of zeros, where the log
                has none.
            targets: Probabilities of all actions under the judged policy, [N, B]; a row of zeros
                where unknown.
            widths: Number of actions of each row, [N]; 0 where unknown. Without it B.
            weights: Weights of the judged policy, [N].
        """
        rows, places = len(logging), np.arange(len(logging))
        p = np.zeros((rows, 0)) if loggings is None else loggings
        pi = np.zeros((rows, 0)) if targets is None else targets
        is_listed = (action >= 0) & (action < p.shape[1])
        if is_listed.any():
            is_listed &= p[places, np.where(is_listed, action, 0)] > 0.0
        known: dict[str, Tally] = {}
        if is_listed.any():
            listed, drawn = p[is_listed], action[is_listed]
            known |= _actions_known(listed, drawn)
            known[UNIFORM] = _policy_known(_even(listed > 0.0), listed, drawn)
            if pi.shape[1]:
                known[JUDGED] = _policy_known(_as_wide(pi[is_listed], p.shape[1]), listed, drawn)
        others = ~is_listed
        seen = _actions_seen(logging[others], action[others])
        sizes = np.full(rows, pi.shape[1]) if widths is None else widths
        is_sized = others & (sizes > 0)
        if is_sized.any():
            seen[UNIFORM] = _policy_seen(_inverse(sizes[is_sized] * logging[is_sized]))
        # Where the log has only the judged policy's probability of the drawn action, its weights
        # have no known V.
        unknown = others if pi.shape[1] else np.ones(rows, dtype=bool)
        if weights is not None and unknown.any():
            seen[JUDGED] = _policy_seen(weights[unknown])
        return cls(int(is_listed.sum()), int(others.sum()), known, seen)

    @classmethod
    def of_weights(cls, weights: Floats) -> Calibration:
        """Of N decisions of which the judged policy's weights alone are known: `of` without actions.

        >>> w, nowhere = np.array([1.5, 0.25]), np.array([-1, -1])
        >>> Calibration.of_weights(w) == Calibration.of(np.array([0.5, 0.5]), nowhere, weights=w)
        True
        """
        return cls(0, len(weights), {}, {JUDGED: _policy_seen(weights)} if len(weights) else {})

    def __add__(self, other: Calibration) -> Calibration:
        return Calibration(
            self.listed + other.listed,
            self.unlisted + other.unlisted,
            join_by_key(self.known, other.known),
            join_by_key(self.seen, other.seen),
        )

    def findings(self, design_effect: float = 1.0) -> list[Finding]:
        """Every sum with its bounds, actions in order, then policies.

        Args:
            design_effect: Variance of the weights by user over that by row; below one, or NaN, it
                counts as one.
        """
        tallies = [(what, tally, True) for what, tally in self.known.items()]
        tallies += [(what, self._whole(what, tally), False) for what, tally in self.seen.items()]
        bounds = sum(2 if is_known else 1 for _, _, is_known in tallies)
        effect = max(1.0, design_effect)  # NaN counts as one too

        def finding(what: str, tally: Tally, *, is_known: bool) -> Finding:
            return Finding(
                what,
                self.listed if is_known else round(from_fixed(tally.expected)),
                from_fixed(tally.observed),
                from_fixed(tally.expected),
                from_fixed(tally.variance) * effect,
                from_fixed(tally.largest) * effect,
                from_fixed(tally.squares) * effect,
                is_known,
                log(bounds / LEVEL),
            )

        return [finding(what, tally, is_known=is_known) for what, tally, is_known in sorted(tallies, key=_order)]

    def _whole(self, what: str, tally: Tally) -> Tally:
        """The tally over all unlisted rows: each row that drew another action had expectation one and added nothing."""
        if what in (JUDGED, UNIFORM):
            return tally
        others = (self.unlisted << TERM_BITS) - tally.expected
        return Tally(tally.observed, tally.expected + others, tally.variance + others, tally.largest)

    def to_json(self) -> str:
        """As text, to cross a process; integers keep every digit."""
        plain = [{what: astuple(tally) for what, tally in tallies.items()} for tallies in (self.known, self.seen)]
        return json.dumps([self.listed, self.unlisted, *plain], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Back from `to_json`."""
        listed, unlisted, *plain = json.loads(text)
        return cls(listed, unlisted, *({what: Tally(*row) for what, row in tallies.items()} for tallies in plain))


def _actions_known(p: Floats, drawn: NDArray[np.int64]) -> dict[str, Tally]:
    p = p[:, :MOST_ACTIONS]
    counts = np.bincount(drawn, minlength=p.shape[1])[: p.shape[1]] << TERM_BITS
    expected, variance = to_fixed(p).sum(axis=0), to_fixed(p * (1.0 - p)).sum(axis=0)
    rows = zip(counts.tolist(), expected.tolist(), variance.tolist(), strict=True)
    return {f"action {a}": Tally(*figures, 1 << TERM_BITS) for a, figures in enumerate(rows)}


def _policy_known(pi: Floats, p: Floats, drawn: NDArray[np.int64]) -> Tally:
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where((p > 0.0) & (pi <= HEAVIEST * p), pi / p, 0.0)
    kept = pi * (weights > 0.0)
    mean = kept.sum(axis=1)
    return _tally(
        weights[np.arange(len(drawn)), drawn],
        mean,
        # Below zero where the probabilities of a row add up to more than one; another check finds
        # that fault.
        np.maximum((kept * weights).sum(axis=1) - mean**2, 0.0),
        float(weights.max(initial=0.0)),
        (kept**2).sum(axis=1),
    )


def _even(is_open: NDArray[np.bool_]) -> Floats:
    """The uniform policy's probabilities over the open actions, [N, A]."""
    return np.asarray(is_open / is_open.sum(axis=1, keepdims=True))


def _as_wide(pi: Floats, width: int) -> Floats:
    """Shorter rows are filled with zeros, a wider batch is cut: a row has as many actions as it lists."""
    return np.pad(pi, ((0, 0), (0, max(width - pi.shape[1], 0))))[:, :width]


def _actions_seen(logging: Floats, action: NDArray[np.int64]) -> dict[str, Tally]:
    inverse = _inverse(logging)
    return {
        f"action {a}": _policy_seen(inverse[action == a]) for a in np.unique(action).tolist() if 0 <= a < MOST_ACTIONS
    }


def _inverse(probability: Floats) -> Floats:
    """1 / p, cut at the largest value that can be summed; that lowers the mean, which raises no alarm."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(np.minimum(1.0 / probability, _LARGEST_INVERSE))


def _policy_seen(weights: Floats) -> Tally:
    observed, variance = exact_total(weights), exact_total((weights - 1.0) ** 2)
    return Tally(observed, len(weights) << TERM_BITS, variance, int(to_fixed(weights.max(initial=0.0))))


def _tally(observed: Floats, expected: Floats, variance: Floats, largest: float, squares: Floats) -> Tally:
    drawn, promised, spread, squared = map(exact_total, (observed, expected, variance, squares))
    return Tally(drawn, promised, spread, int(to_fixed(largest)), squared)


def _order(entry: tuple[str, Tally, bool]) -> tuple[bool, int, str]:
    what = entry[0]
    is_policy = what in (JUDGED, UNIFORM)
    return is_policy, -1 if is_policy else int(what.removeprefix("action ")), what
