"""Logged decisions with a fixed action set, and the terms of a decision that estimators add up.

Let w = P_target(a) / P_logging(a), r the reward, q the reward model's value of the action taken, v
the mean of q under the judged policy, and c(w) a cut weight of `CUTS`. The terms of a decision are

    n 1          w w          weighted w r          direct v          residual w (r - q)
    <cut> c(w)                <cut>_reward c(w) r                     <cut>_residual c(w) (r - q)

A new estimator needs a new term only if it cuts weights in a new way. One line in `CUTS` adds all
three of its terms.

A log may contain only a sample of the decisions: decision i was kept with a known probability k_i,
which may depend on its action and reward. Every term is then multiplied by the sampling weight s =
1 / k, and a term that is a square by s^2. A sum over the sample then estimates the sum over all
decisions (Horvitz & Thompson, JASA 1952), a ratio of sums is Hajek's estimate, and the variance
over clusters contains the variance of sampling. Cuts compare w alone with M, because s is no
importance weight.

Ionides, JCGS 2008, and Swaminathan & Joachims, JMLR 2015 (clipped); Metelli et al., NeurIPS 2021
(sub_gaussian); Wang et al., ICML 2017 (switched); Su et al., ICML 2020 (shrunk).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ltrr.arrays import Floats
from ltrr.errors import UsageError

Value = TypeVar("Value")

LARGEST_SUMMABLE = 2.0**18
"""Largest accepted weight (262,144). The squares of larger weights cannot be summed exactly."""

CUTS: Mapping[str, Callable[[Floats, float], Floats]] = {
    "clipped": np.minimum,
    "sub_gaussian": lambda w, m: w / (1.0 - 1.0 / m + w / m),
    "switched": lambda w, m: w * (w <= m),
    "shrunk": lambda w, m: m * m * w / (w * w + m * m),
}
"""Ways to cut a weight w, given M."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """N logged decisions as the estimators take them, arrays [N].

    Args:
        weights: P_target / P_logging of the action taken, `estimation.weights.importance_weights`.
        rewards: Reward of each decision, higher is better.
        taken: q of the action taken; None without a reward model.
        direct: Sum over actions of P_target q; None without a reward model.
        unsupported: The target's probability of actions that the log can never show; 0 where
            unknown.
        sampling: Sampling weight 1 / P(kept in the log) of each decision; None if all were kept.
    """

    weights: Floats
    rewards: Floats
    taken: Floats | None = None
    direct: Floats | None = None
    unsupported: Floats | float = 0.0
    sampling: Floats | None = None

    def __len__(self) -> int:
        return len(self.weights)

    def rows(self, which: slice | NDArray[np.generic]) -> Decisions:
        """The selected decisions; a slice copies no data."""
        return Decisions(
            self.weights[which],
            self.rewards[which],
            None if self.taken is None else self.taken[which],
            None if self.direct is None else self.direct[which],
            self.unsupported[which] if isinstance(self.unsupported, np.ndarray) else self.unsupported,
            None if self.sampling is None else self.sampling[which],
        )

    @property
    def full_weights(self) -> Floats:
        """Importance weight times sampling weight, [N]."""
        return self.weights if self.sampling is None else self.weights * self.sampling


def require_value(value: Value | None) -> Value:
    """The value of an input that a term needs.

    Raises:
        UsageError: The value is None.
    """
    if value is None:
        raise UsageError(
            "the decisions lack an input of this term",
            expected="a reward model's values, and M for terms that cut weights",
        )
    return value


class TermInputs:
    """The inputs of terms: decisions and M. Each cut weight is computed once.

    Args:
        decisions: N decisions.
        largest_weight: M; None if no term cuts weights.
    """

    def __init__(self, decisions: Decisions, largest_weight: float | None = None) -> None:
        self.decisions, self._largest_weight = decisions, largest_weight
        self._cuts: dict[str, Floats] = {}

    @cached_property
    def weighted(self) -> Floats:
        """Products w r, [N]."""
        return self.decisions.weights * self.decisions.rewards

    @cached_property
    def residuals(self) -> Floats:
        """Residuals r - q, [N]; only for decisions with a reward model."""
        return self.decisions.rewards - require_value(self.decisions.taken)

    def cut(self, name: str) -> Floats:
        """Weights cut in one of the ways of `CUTS`, [N]."""
        if name not in self._cuts:
            self._cuts[name] = CUTS[name](self.decisions.weights, require_value(self._largest_weight))
        return self._cuts[name]


@dataclass(frozen=True)
class Term:
    """One number of each decision, summed over decisions.

    Args:
        of: Function of the inputs that returns the values of a log without sampling, [N].
        needs_model: Whether the term needs a reward model.
        sampling_power: Power of the sampling weight by which the term is multiplied.
    """

    of: Callable[[TermInputs], Floats | float]
    needs_model: bool = False
    sampling_power: int = 1

    def compute(self, inputs: TermInputs) -> Floats | float:
        """Values of the decisions, [N], with their sampling weights."""
        sampling, values = inputs.decisions.sampling, self.of(inputs)
        return values if sampling is None else values * sampling**self.sampling_power


def _cut(name: str, inputs: TermInputs) -> Floats:
    return inputs.cut(name)


def _cut_reward(name: str, inputs: TermInputs) -> Floats:
    return inputs.cut(name) * inputs.decisions.rewards


def _cut_residual(name: str, inputs: TermInputs) -> Floats:
    return inputs.cut(name) * inputs.residuals


TERMS: Mapping[str, Term] = {
    "n": Term(lambda _: 1.0),
    "w": Term(lambda inputs: inputs.decisions.weights),
    "weighted": Term(lambda inputs: inputs.weighted),
    **{name: Term(partial(_cut, name)) for name in CUTS},
    **{f"{name}_reward": Term(partial(_cut_reward, name)) for name in CUTS},
    "direct": Term(lambda inputs: require_value(inputs.decisions.direct), needs_model=True),
    "residual": Term(lambda inputs: inputs.decisions.weights * inputs.residuals, needs_model=True),
    **{f"{name}_residual": Term(partial(_cut_residual, name), needs_model=True) for name in CUTS},
    "w_squared": Term(lambda inputs: inputs.decisions.weights**2, sampling_power=2),
    "weighted_squared": Term(lambda inputs: inputs.weighted**2, sampling_power=2),
    "unsupported": Term(lambda inputs: inputs.decisions.unsupported),
    "rows": Term(lambda _: 1.0, sampling_power=0),
    "n_squared": Term(lambda _: 1.0, sampling_power=2),
    "w_n": Term(lambda inputs: inputs.decisions.weights, sampling_power=2),
}
"""Every term by name."""
