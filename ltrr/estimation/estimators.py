"""Estimators of a policy's value from decisions logged with a fixed action set: each is a sum of ratios of exact sums.

An estimator is data: which per-decision terms are added up and divided. One pass gathers the terms of all of them in
whole numbers (`estimation.fixed_point`), so any order and any partitions of the log give the same bits; the standard
error is the delta method's over clusters (`estimation.intervals`).

With w = P_target(a) / P_logging(a), reward r, q the reward model, q(a) its value of the action taken and
v = sum over actions of P_target(a') q(a'), the estimators of `ESTIMATORS` are

    ips          mean(w r)                                snips        sum(w r) / sum(w)
    clipped_ips  mean(min(w, M) r)                        sg           mean(w / (1 - 1/M + w/M) r)
    clipped_snips    sum(min(w, M) r) / sum(min(w, M))
    dm           mean(v)                                  dr           mean(v) + mean(w (r - q))
    sndr         mean(v) + sum(w (r - q)) / sum(w)        switch_dr    mean(v) + mean(w 1{w <= M} (r - q))
    dros         mean(v) + mean(M^2 w / (w^2 + M^2) (r - q))

One number M bounds what a weight may become in the five that cut weights: at most M, in dros M / 2.

Horvitz & Thompson, JASA 1952 (ips); Swaminathan & Joachims, NeurIPS 2015 (snips); Ionides, JCGS 2008 (clipping: M of
the order of sqrt(n); Swaminathan & Joachims, JMLR 2015, cut and self-normalise
both); Dudik et al., ICML 2011 (dm, dr); Robins et al., 2007 and Thomas & Brunskill, ICML 2016 (sndr);
Wang et al., ICML 2017 (switch_dr); Su et al., ICML 2020 (dros, optimistic shrinkage); Metelli et al., NeurIPS 2021 (sg,
sub-Gaussian weights).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltrr.errors import DataQualityError
from ltrr.estimation.fixed_point import UNIT, UNIT_BITS, Longs, to_fixed
from ltrr.estimation.weights import Floats

LARGEST_SUMMABLE = 2.0**18
"""Weights beyond this (262,144) are refused: their squares could not be summed exactly."""

CUTS: Mapping[str, Callable[[Floats, float], Floats]] = {
    "clipped": np.minimum,
    "sub_gaussian": lambda w, m: w / (1.0 - 1.0 / m + w / m),
    "switched": lambda w, m: w * (w <= m),
    "shrunk": lambda w, m: m * m * w / (w * w + m * m),
}
"""How a weight w is cut down, given M."""


@dataclass(frozen=True)
class Estimator:
    """One way to a policy's value.

    Args:
        name: as written everywhere.
        ratios: (numerator, denominator) terms whose ratios add up to it.
        assumes: in words for a reader, beyond right propensities.
        cut: the one of `CUTS` that it applies, or none.
    """

    name: str
    ratios: tuple[tuple[str, str], ...]
    assumes: str
    cut: str = ""

    @property
    def needs_model(self) -> bool:
        """Whether it needs q, and with it the target's probability of *every* action."""
        return ("direct", "n") in self.ratios


_DIRECT = ("direct", "n")
_CUT = "that the weights cut off matter little: look at the share that is cut"
ESTIMATORS: Mapping[str, Estimator] = {
    estimator.name: estimator
    for estimator in (
        Estimator("ips", (("weighted", "n"),), "nothing more: unbiased, of high variance"),
        Estimator("snips", (("weighted", "w"),), "many decisions: its bias falls as 1/n"),
        Estimator("clipped_ips", (("clipped_reward", "n"),), _CUT, "clipped"),
        Estimator("clipped_snips", (("clipped_reward", "clipped"),), _CUT, "clipped"),
        Estimator("sg", (("sub_gaussian_reward", "n"),), _CUT, "sub_gaussian"),
        Estimator("dm", (_DIRECT,), "that q-hat is right: the interval knows nothing of its error"),
        Estimator("dr", (_DIRECT, ("residual", "n")), "nothing more: unbiased for any cross-fitted q-hat"),
        Estimator("sndr", (_DIRECT, ("residual", "w")), "many decisions: its bias falls as 1/n"),
        Estimator(
            "switch_dr", (_DIRECT, ("switched_residual", "n")), "that q-hat is right where weights exceed M", "switched"
        ),
        Estimator("dros", (_DIRECT, ("shrunk_residual", "n")), "that q-hat is right where weights are large", "shrunk"),
    )
}

RATIO_TERMS = ("n", "w", "weighted", "clipped", "clipped_reward", "sub_gaussian_reward")
MODEL_TERMS = ("direct", "residual", "switched_residual", "shrunk_residual")
PLAIN_TERMS = ("w_squared", "weighted_squared", *(name for name in CUTS if name not in RATIO_TERMS), "unsupported")
"""Only their totals are kept: no ratio needs their products."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What the estimators need to know of N logged decisions, arrays [N].

    Args:
        weights: P_target / P_logging of the action taken, `estimation.weights.importance_weights`.
        rewards: what the decision earned, higher is better.
        taken: q of the action taken; None without a reward model.
        direct: sum over actions of P_target q; None without a reward model.
        unsupported: the target's probability of actions that the log can never show; 0 where not known.
    """

    weights: Floats
    rewards: Floats
    taken: Floats | None = None
    direct: Floats | None = None
    unsupported: Floats | float = 0.0

    def __len__(self) -> int:
        return len(self.weights)

    def rows(self, which: slice | NDArray[np.generic]) -> Decisions:
        """Some of them; a slice copies nothing."""
        return Decisions(
            self.weights[which],
            self.rewards[which],
            None if self.taken is None else self.taken[which],
            None if self.direct is None else self.direct[which],
            self.unsupported[which] if isinstance(self.unsupported, np.ndarray) else self.unsupported,
        )


def term_names(*, has_model: bool) -> tuple[str, ...]:
    """The columns of `decision_terms`, in order: first those that ratios are made of."""
    return ratio_names(has_model=has_model) + PLAIN_TERMS


def ratio_names(*, has_model: bool) -> tuple[str, ...]:
    """The terms that ratios are made of."""
    return RATIO_TERMS + (MODEL_TERMS if has_model else ())


def decision_terms(decisions: Decisions, largest_weight: float) -> Longs:
    """`fixed_terms` as integers, a row a decision, [N, K]: to be added up by user.

    >>> terms = decision_terms(Decisions(np.array([2.0, 8.0]), np.array([1.0, 0.5])), largest_weight=4.0)
    >>> dict(zip(term_names(has_model=False), (terms.sum(axis=0) / 2**24).tolist()))["clipped_reward"]
    4.0
    """
    return np.ascontiguousarray(to_fixed(fixed_terms(decisions, largest_weight).T * UNIT))


def fixed_terms(decisions: Decisions, largest_weight: float) -> Floats:
    """Terms of each decision, [K, N] in the order of `term_names`: whole numbers of 2^-24, held in doubles.

    Args:
        decisions: N of them.
        largest_weight: M > 1.

    Raises:
        DataQualityError: a weight above 262,144.
    """
    w, r = decisions.weights, decisions.rewards
    if len(w) and w.max() > LARGEST_SUMMABLE:
        raise DataQualityError(
            "an importance weight is too large",
            which="logging_propensity",
            expected=f"weights up to {LARGEST_SUMMABLE:,.0f}",
            got=f"{w.max():.4g}",
            todo="a logged propensity this small is most often a mistake",
        )
    cut = {name: function(w, largest_weight) for name, function in CUTS.items()}
    weighted = w * r
    terms: dict[str, Floats | float] = {
        "n": 1.0,
        "w": w,
        "weighted": weighted,
        "clipped_reward": cut["clipped"] * r,
        "sub_gaussian_reward": cut["sub_gaussian"] * r,
        "w_squared": w**2,
        "weighted_squared": weighted**2,
        "unsupported": decisions.unsupported,
    }
    if decisions.taken is not None and decisions.direct is not None:
        residual = r - decisions.taken
        terms |= {
            "direct": decisions.direct,
            "residual": w * residual,
            "switched_residual": cut["switched"] * residual,
            "shrunk_residual": cut["shrunk"] * residual,
        }
    terms |= cut
    names = term_names(has_model=decisions.taken is not None)
    fixed = np.empty((len(names), len(w)))
    for row, name in zip(fixed, names, strict=True):
        row[:] = terms[name]
    fixed *= 2.0**UNIT_BITS
    return np.rint(fixed, out=fixed)


def supported_estimators(names: Sequence[str], *, has_model: bool) -> list[Estimator]:
    """Those of these names that the log allows, in their order.

    >>> [estimator.name for estimator in supported_estimators(["snips", "dr"], has_model=False)]
    ['snips']
    """
    return [ESTIMATORS[name] for name in names if has_model or not ESTIMATORS[name].needs_model]
