"""Interval methods for many logs at once: the methods of the library, and reference methods.

The library computes the interval of one log at a time. This module computes the same intervals for
arrays of logs. `ope_coverage` asserts on one log of each cell that both agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, nan, sqrt

import numpy as np
from scipy.special import stdtrit

from benchmarks.coverage_study.worlds import PAIRS, World
from ltrr.arrays import Floats, Longs
from ltrr.estimation.evidence import EvidenceSummary
from ltrr.estimation.intervals import DEGREES_PER_TAIL_EVIDENCE, bounds_by_inversion, quantile

CONFIDENCE = 0.95
Z = quantile((1.0 + CONFIDENCE) / 2.0)
TERMS = ("wr", "w", "n")
WIDTH_LOGS, REPLICATES = 40, 200


@dataclass(frozen=True)
class Logs:
    """Sums of L logs, one row for each log, [L, 12]; the columns are those of `World.features`.

    Attributes:
        users: Number of users of each log.
        sums: Sums over the users of each log, [L, 12].
    """

    users: int
    sums: Floats

    def total(self, term: str) -> Floats:
        """Sum of a term over all users, [L]."""
        return self.sums[:, TERMS.index(term)]

    def product(self, one: str, other: str) -> Floats:
        """Sum over users of the product of two terms, [L]."""
        pair = tuple(sorted((TERMS.index(one), TERMS.index(other))))
        return self.sums[:, 5 + PAIRS.index(pair)]

    def mean(self, term: str) -> Floats:
        """Mean of a term over users, [L]."""
        return self.total(term) / self.users

    def covariance(self, one: str, other: str) -> Floats:
        """Sample covariance of two terms over users, [L]."""
        return (self.product(one, other) - self.total(one) * self.total(other) / self.users) / (self.users - 1)

    def quantiles(self) -> Floats:
        """Quantile of Student's distribution for each log, [L], as `degrees_of_freedom` defines it.

        A log without rewards gets the normal quantile.
        """
        squares, fourths = self.product("wr", "wr"), self.sums[:, 11]
        with np.errstate(divide="ignore", invalid="ignore"):
            degrees = np.clip(DEGREES_PER_TAIL_EVIDENCE * squares**2 / fourths, 1.0, self.users - 1.0)
        return np.where(fourths > 0.0, stdtrit(np.nan_to_num(degrees, nan=1.0), (1.0 + CONFIDENCE) / 2.0), Z)

    def moments(self, numerator: str, denominator: str) -> tuple[Floats, ...]:
        """Arguments of `bounds_by_inversion` for a ratio."""
        return (
            self.mean(numerator),
            self.mean(denominator),
            self.covariance(numerator, numerator),
            self.covariance(numerator, denominator),
            self.covariance(denominator, denominator),
        )

    def summaries(self) -> Iterator[EvidenceSummary]:
        """Evidence summary of each log."""
        errors = error_of_ratio(self, "w", "n")
        by_user = self.product("wr", "wr")
        for row, rewards_squared, error in zip(self.sums.tolist(), by_user, errors.tolist(), strict=True):
            wr, w, n, w_squared, wr_squared = row[:5]
            yield EvidenceSummary(
                evidence=wr**2 / wr_squared if wr else nan,
                effective_sample_size=w**2 / w_squared,
                users=self.users,
                impressions=round(n),
                mean_weight=w / n,
                unsupported=0.0,
                fallback_share=0.0,
                is_defined=True,
                evidence_of_users=wr**2 / rewards_squared if wr else nan,
                mean_weight_error=error,
            )


def error_of_ratio(logs: Logs, numerator: str, denominator: str) -> Floats:
    """Standard error of the ratio of two sums, [L], as in `estimate_ratio`."""
    value = logs.total(numerator) / logs.total(denominator)
    squares = (
        logs.product(numerator, numerator)
        - 2.0 * value * logs.product(numerator, denominator)
        + value**2 * logs.product(denominator, denominator)
    )
    return np.sqrt(np.maximum(squares, 0.0) * logs.users / (logs.users - 1)) / logs.total(denominator)


def delta_interval(logs: Logs, numerator: str, denominator: str) -> tuple[Floats, Floats]:
    """Interval of the library: standard error by the delta method, Student's quantile."""
    value = logs.total(numerator) / logs.total(denominator)
    half = logs.quantiles() * error_of_ratio(logs, numerator, denominator)
    return value - half, value + half


def normal_interval(logs: Logs, numerator: str, denominator: str) -> tuple[Floats, Floats]:
    """Reference: the same standard error, with the normal quantile."""
    value = logs.total(numerator) / logs.total(denominator)
    half = Z * error_of_ratio(logs, numerator, denominator)
    return value - half, value + half


def doubly_robust_interval(logs: Logs, q_hat: float) -> tuple[Floats, Floats]:
    """Doubly robust estimate with a constant reward model, by user.

    The value is q_hat + sum(w (r - q_hat)) / n.
    """
    residual = logs.total("wr") - q_hat * logs.total("w")
    value = q_hat + residual / logs.total("n")
    # a = wr - q w + q n has the residual a - value n = wr - q w - (value - q) n.
    slope = value - q_hat
    squares = (
        logs.product("wr", "wr")
        + q_hat**2 * logs.product("w", "w")
        + slope**2 * logs.product("n", "n")
        - 2.0 * q_hat * logs.product("wr", "w")
        - 2.0 * slope * (logs.product("wr", "n") - q_hat * logs.product("w", "n"))
    )
    half = logs.quantiles() * np.sqrt(np.maximum(squares, 0.0) * logs.users / (logs.users - 1)) / logs.total("n")
    return value - half, value + half


def logit_interval(value: Floats, half: Floats, rewards: tuple[float, float] = (0.0, 1.0)) -> tuple[Floats, Floats]:
    """Transform a symmetric interval of a value to the logit scale of a range of rewards.

    With p = (value - least) / (most - least), the interval is
    logit(p) -+ half / ((most - least) p (1 - p)), transformed back. It is not for differences.

    A sum of few rewards is skewed. The symmetric interval then misses on one side: 3.8 % below and
    1.6 % above at R = 81. This interval misses on both sides: 2.5 and 2.7 %. It is NaN where the
    value is not inside the range.
    """
    least, most = rewards
    share = (np.asarray(value) - least) / (most - least)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scaled = half / ((most - least) * share * (1.0 - share))
        odds = share / (1.0 - share)
        ends = [least + (most - least) / (1.0 + np.exp(side * scaled) / odds) for side in (1.0, -1.0)]
    inside = (share > 0.0) & (share < 1.0)
    return np.where(inside, ends[0], nan), np.where(inside, ends[1], nan)


def logit_ratio_interval(logs: Logs, numerator: str, denominator: str) -> tuple[Floats, Floats]:
    """Interval of `logit_interval`; a log without rewards keeps that of `delta_interval`."""
    low, high = delta_interval(logs, numerator, denominator)
    value, half = (low + high) / 2.0, (high - low) / 2.0
    ends = logit_interval(value, half)
    inside = ~np.isnan(ends[0]) & (half > 0.0)
    return np.where(inside, ends[0], low), np.where(inside, ends[1], high)


def bernstein_interval(logs: Logs, numerator: str, denominator: str, widest: float) -> tuple[Floats, Floats]:
    """Interval of `bernstein_ratio`."""
    length = log(4.0 / (1.0 - CONFIDENCE))
    return bounds_by_inversion(
        *logs.moments(numerator, denominator),
        slope=sqrt(2.0 * length / logs.users),
        offset=7.0 * widest * length / (3.0 * (logs.users - 1)),
        rewards=(0.0, 1.0),
    )


def cressie_read_interval(logs: Logs) -> tuple[Floats, Floats]:
    """Reference: Cressie-Read likelihood of power -2 over users, given that weights average one.

    Karampatziakis et al., "Empirical Likelihood for Contextual Bandits", NeurIPS 2020. Profiled
    over the constraint on the weights, it is Fieller's interval of the residuals of wr and n after
    regression on w - n.
    """
    wr, n = logs.mean("wr"), logs.mean("n")
    excess = logs.mean("w") - n
    c = logs.covariance
    spread = c("w", "w") - 2.0 * c("w", "n") + c("n", "n")
    wr_excess, n_excess = c("wr", "w") - c("wr", "n"), c("w", "n") - c("n", "n")
    return bounds_by_inversion(
        wr - wr_excess / spread * excess,
        n - n_excess / spread * excess,
        c("wr", "wr") - wr_excess**2 / spread,
        c("wr", "n") - wr_excess * n_excess / spread,
        c("n", "n") - n_excess**2 / spread,
        slope=Z / sqrt(logs.users),
        offset=0.0,
        rewards=(0.0, 1.0),
    )


def bootstrap_widths(world: World, counts: Longs, rng: np.random.Generator) -> Floats:
    """Width of the Poisson bootstrap interval of snips for each log, [L].

    The bootstrap unit is the user; the ends are percentiles of 200 replicates.

    Args:
        world: World of the logs.
        counts: Number of users of each kind, one log a row, [L, J].
        rng: Generator of the replicates.
    """
    users = int(counts[0].sum())
    copies = rng.poisson(1.0, (REPLICATES, users)).astype(np.float32)
    widths = []
    for row in counts:
        sums = copies @ np.repeat(world.sums[:, :2], row, axis=0).astype(np.float32)
        with np.errstate(invalid="ignore"):
            low, high = np.nanquantile(sums[:, 0] / sums[:, 1], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        widths.append(high - low)
    return np.array(widths)
