"""Check of the logged propensities: actions drawn, compared with their expected numbers.

If p(a|x) is the probability with which action a was drawn, each of these sums has mean zero,
whatever the rewards (w = pi / p):

    per action         sum of 1{a drawn} - p(a|x)
    per policy pi      sum of w 1{w <= C}
                       - sum over actions of pi(a|x) 1{pi(a|x) <= C p(a|x)}

Given the contexts, the variance V of a sum follows from the propensities: p (1 - p) for each row
and action. So V need not be estimated, and no count is too small. Let b be the most that one row
can add. By Bernstein's inequality (for dependent draws: Freedman, "On Tail Probabilities for
Martingales", 1975), a sum exceeds sqrt(2 V L) + b L / 3 with probability at most exp(-L). With L =
log(number of bounds / LEVEL), a correct log raises an alarm with probability at most LEVEL.

A log with the propensity of the drawn action alone reveals less. 1{a drawn} / p has mean one, or
less where a cannot be drawn. So only an *excess* is a fault: an action that was rarely possible
looks the same as a propensity logged too large. V is then the observed sum of (1{a} / p - 1)^2.
Such a sum is skewed to the right, and for its upper bound the empirical V is valid (Bercu & Touati,
"Exponential Inequalities for Self-Normalized Martingales", 2008).

In a log of sampled decisions, whether a row was kept may depend on its action. Each row is then
multiplied by its sampling weight s, so that the sums keep mean zero. The variance of a row is at
most S times the one above, and the most that it can add S b, with S the largest s of the log.

Repeated draws for one user are not independent. V and b are multiplied by a design effect: the
variance of the weights by user over that by row (Kish, "Survey Sampling", 1965).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from math import log

import numpy as np

from ltrr.arrays import Bools, Floats, Longs
from ltrr.estimation.exact_sums import exact_total
from ltrr.estimation.fixed_point import TERM_BITS, from_fixed, to_fixed
from ltrr.estimation.keyed_sums import join_by_key
from ltrr.estimation.propensity_finding import JUDGED, UNIFORM, Finding

LEVEL = 0.01
"""Probability of a false alarm, for all bounds of a log together."""

WEIGHT_LIMIT = 100.0
"""C: larger weights are left out of both sums, because one of them could hide all other faults."""

MOST_ACTIONS = 1_000
"""Maximum number of actions that get a sum of their own; the others are tested in the weights."""

_LARGEST_INVERSE = 2.0**18


@dataclass(frozen=True)
class Tally:
    """One sum and its expected value, in whole numbers of 2^-24; `+` joins disjoint rows.

    Attributes:
        observed: Observed sum.
        expected: Expected sum by the logged propensities.
        variance: V.
        largest: The most that one row can add, b.
        squares: Sum of squares of the policy's probabilities. V grows by it if the drawn actions'
            propensities are logged at half their values.
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
    """Observed and expected sums of a log; `+` joins disjoint rows, in any order to the same bits.

    Attributes:
        listed: Number of rows with the propensities of all actions, unit 2^-24; with sampling
            weights, their sum.
        unlisted: The same of the rows with the propensity of the drawn action alone.
        listed_tallies: Tallies of the listed rows, by action or policy.
        unlisted_tallies: Tallies of the unlisted rows; for an action, over the rows that drew it.
        largest_sampling: Largest sampling weight, at least 1, unit 2^-24.

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
    listed_tallies: Mapping[str, Tally] = field(default_factory=dict)
    unlisted_tallies: Mapping[str, Tally] = field(default_factory=dict)
    largest_sampling: int = 1 << TERM_BITS

    @classmethod
    def of(
        cls,
        logging: Floats,
        action: Longs,
        *,
        loggings: Floats | None = None,
        targets: Floats | None = None,
        widths: Longs | None = None,
        weights: Floats | None = None,
        sampling: Floats | None = None,
    ) -> Calibration:
        """Sums of N decisions.

        Args:
            logging: Propensity of the drawn action, [N].
            action: The drawn action, from 0, [N]; negative where unknown.
            loggings: Propensities of all actions, [N, A]; None, or a row of zeros, where the log
                has none.
            targets: Probabilities of all actions under the judged policy, [N, B]; a row of zeros
                where unknown.
            widths: Number of actions of each row, [N]; 0 where unknown. By default B.
            weights: Weights of the judged policy, [N].
            sampling: Sampling weights, [N]; None if no decision was dropped.
        """
        rows, places = len(logging), np.arange(len(logging))
        p = np.zeros((rows, 0)) if loggings is None else loggings
        pi = np.zeros((rows, 0)) if targets is None else targets
        is_listed = (action >= 0) & (action < p.shape[1])
        if is_listed.any():
            is_listed &= p[places, np.where(is_listed, action, 0)] > 0.0
        s = np.ones(rows) if sampling is None else sampling
        listed_tallies: dict[str, Tally] = {}
        if is_listed.any():
            listed, drawn, mine = p[is_listed], action[is_listed], s[is_listed]
            listed_tallies |= _tally_listed_actions(listed, drawn, mine)
            listed_tallies[UNIFORM] = _tally_listed_policy(_uniform_probabilities(listed > 0.0), listed, drawn, mine)
            if pi.shape[1]:
                judged = _set_width(pi[is_listed], p.shape[1])
                listed_tallies[JUDGED] = _tally_listed_policy(judged, listed, drawn, mine)
        others = ~is_listed
        unlisted_tallies = _tally_unlisted_actions(logging[others], action[others], s[others])
        sizes = np.full(rows, pi.shape[1]) if widths is None else widths
        is_sized = others & (sizes > 0)
        if is_sized.any():
            uniform = _invert(sizes[is_sized] * logging[is_sized])
            unlisted_tallies[UNIFORM] = _tally_unlisted_policy(uniform, s[is_sized])
        # V of the weights is unknown where the log has the judged policy's probability of the drawn
        # action alone.
        unknown = others if pi.shape[1] else np.ones(rows, dtype=bool)
        if weights is not None and unknown.any():
            unlisted_tallies[JUDGED] = _tally_unlisted_policy(weights[unknown], s[unknown])
        return cls(
            exact_total(s[is_listed]),
            exact_total(s[others]),
            listed_tallies,
            unlisted_tallies,
            max(1 << TERM_BITS, int(to_fixed(s.max(initial=1.0)))),
        )

    @classmethod
    def of_weights(cls, weights: Floats, sampling: Floats | None = None) -> Calibration:
        """Sums of N decisions from the judged policy's weights alone, without actions.

        >>> w, no_action = np.array([1.5, 0.25]), np.array([-1, -1])
        >>> Calibration.of_weights(w) == Calibration.of(np.array([0.5, 0.5]), no_action, weights=w)
        True
        """
        if sampling is not None:
            return cls.of(weights, np.full(len(weights), -1), weights=weights, sampling=sampling)
        tallies = {JUDGED: _tally_unlisted_policy(weights)} if len(weights) else {}
        return cls(0, len(weights) << TERM_BITS, {}, tallies)

    def __add__(self, other: Calibration) -> Calibration:
        return Calibration(
            self.listed + other.listed,
            self.unlisted + other.unlisted,
            join_by_key(self.listed_tallies, other.listed_tallies),
            join_by_key(self.unlisted_tallies, other.unlisted_tallies),
            max(self.largest_sampling, other.largest_sampling),
        )

    def findings(self, design_effect: float = 1.0) -> list[Finding]:
        """Every sum with its bounds: actions in order, then policies.

        Args:
            design_effect: Variance of the weights by user over that by row. A value below one, or
                NaN, counts as one.
        """
        tallies = [(what, tally, True) for what, tally in self.listed_tallies.items()]
        tallies += [
            (what, self._extend_to_all_rows(what, tally), False) for what, tally in self.unlisted_tallies.items()
        ]
        bounds = sum(2 if is_known else 1 for _, _, is_known in tallies)
        # NaN counts as one too.
        effect = max(1.0, design_effect) * from_fixed(self.largest_sampling)

        def finding(what: str, tally: Tally, *, is_known: bool) -> Finding:
            return Finding(
                what,
                round(from_fixed(self.listed if is_known else tally.expected)),
                from_fixed(tally.observed),
                from_fixed(tally.expected),
                from_fixed(tally.variance) * effect,
                from_fixed(tally.largest) * effect,
                from_fixed(tally.squares) * effect,
                is_known,
                log(bounds / LEVEL),
            )

        return [finding(what, tally, is_known=is_known) for what, tally, is_known in sorted(tallies, key=_sort_key)]

    def _extend_to_all_rows(self, what: str, tally: Tally) -> Tally:
        """The tally over all unlisted rows.

        Rows that drew another action had expectation one and added nothing.
        """
        if what in (JUDGED, UNIFORM):
            return tally
        others = self.unlisted - tally.expected
        return Tally(tally.observed, tally.expected + others, tally.variance + others, tally.largest)

    def to_json(self) -> str:
        """The sums as text, to cross a process; integers keep every digit."""
        plain = [
            {what: astuple(tally) for what, tally in tallies.items()}
            for tallies in (self.listed_tallies, self.unlisted_tallies)
        ]
        return json.dumps([self.listed, self.unlisted, *plain, self.largest_sampling], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Back from `to_json`."""
        listed, unlisted, *plain, largest = json.loads(text)
        known, unknown = ({what: Tally(*row) for what, row in kind.items()} for kind in plain)
        return cls(listed, unlisted, known, unknown, largest)


def _tally_listed_actions(p: Floats, drawn: Longs, s: Floats) -> dict[str, Tally]:
    p = p[:, :MOST_ACTIONS]
    counts = np.zeros(max(p.shape[1], int(drawn.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(counts, drawn, to_fixed(s))
    terms = (to_fixed(values * s[:, None]) for values in (p, p * (1.0 - p)))
    expected, variance = (term.sum(axis=0) for term in terms)
    rows = zip(counts[: p.shape[1]].tolist(), expected.tolist(), variance.tolist(), strict=True)
    return {f"action {a}": Tally(*figures, 1 << TERM_BITS) for a, figures in enumerate(rows)}


def _tally_listed_policy(pi: Floats, p: Floats, drawn: Longs, s: Floats) -> Tally:
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where((p > 0.0) & (pi <= WEIGHT_LIMIT * p), pi / p, 0.0)
    kept = pi * (weights > 0.0)
    mean = kept.sum(axis=1)
    return _tally(
        weights[np.arange(len(drawn)), drawn],
        mean,
        # Negative if the probabilities of a row add up to more than one; another check reports it.
        np.maximum((kept * weights).sum(axis=1) - mean**2, 0.0),
        float(weights.max(initial=0.0)),
        (kept**2).sum(axis=1),
        s,
    )


def _uniform_probabilities(is_open: Bools) -> Floats:
    """The uniform policy's probabilities over the available actions, [N, A]."""
    return np.asarray(is_open / is_open.sum(axis=1, keepdims=True))


def _set_width(pi: Floats, width: int) -> Floats:
    """Probabilities with this number of columns: filled with zeros or cut."""
    return np.pad(pi, ((0, 0), (0, max(width - pi.shape[1], 0))))[:, :width]


def _tally_unlisted_actions(logging: Floats, action: Longs, s: Floats) -> dict[str, Tally]:
    inverse = _invert(logging)
    return {
        f"action {a}": _tally_unlisted_policy(inverse[action == a], s[action == a])
        for a in np.unique(action).tolist()
        if 0 <= a < MOST_ACTIONS
    }


def _invert(probability: Floats) -> Floats:
    """1 / p, at most the largest value that can be summed.

    The limit lowers the mean, which raises no alarm.
    """
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(np.minimum(1.0 / probability, _LARGEST_INVERSE))


def _tally_unlisted_policy(weights: Floats, s: Floats | None = None) -> Tally:
    largest = int(to_fixed(weights.max(initial=0.0)))
    if s is None:
        return Tally(exact_total(weights), len(weights) << TERM_BITS, exact_total((weights - 1.0) ** 2), largest)
    return Tally(exact_total(weights * s), exact_total(s), exact_total((weights - 1.0) ** 2 * s), largest)


def _tally(observed: Floats, expected: Floats, variance: Floats, largest: float, squares: Floats, s: Floats) -> Tally:
    drawn, promised, spread, squared = (exact_total(one * s) for one in (observed, expected, variance, squares))
    return Tally(drawn, promised, spread, int(to_fixed(largest)), squared)


def _sort_key(entry: tuple[str, Tally, bool]) -> tuple[bool, int, str]:
    what = entry[0]
    is_policy = what in (JUDGED, UNIFORM)
    return is_policy, -1 if is_policy else int(what.removeprefix("action ")), what
