"""Importance weights: the target's probability of the logged action over the logged probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ltrr.arrays import Bools, Floats
from ltrr.errors import DataQualityError

ROUNDING = 1e-9
"""Accepted distance of a probability from [0, 1], as in sums of a softmax."""


def importance_weights(logging_propensity: ArrayLike, target_propensity: ArrayLike) -> Floats:
    """P_target / P_logging, one weight for each decision, in [0, inf); shapes as numpy broadcasts.

    A logging propensity of zero is refused instead of clipped. The action *was* taken, so zero is
    wrong, and clipping would give this decision the largest weight of the log.

    Raises:
        DataQualityError: A propensity is not a number, logging is outside (0, 1], or target outside
            [0, 1].

    >>> importance_weights([0.5, 0.25], [0.8, 0.0]).tolist()
    [1.6, 0.0]
    >>> importance_weights([0.5, 0.0], [0.8, 0.1])
    Traceback (most recent call last):
        ...
    ltrr.errors.DataQualityError: a propensity is not a probability: logging_propensity: expected
    (0, 1], got 0.0; check the propensities that the service logs
    """
    logging = np.asarray(logging_propensity, dtype=np.float64)
    target = np.asarray(target_propensity, dtype=np.float64)
    _check(logging, "logging_propensity", "(0, 1]", (logging > 0.0) & (logging <= 1.0 + ROUNDING))
    _check(target, "target_propensity", "[0, 1]", (target >= -ROUNDING) & (target <= 1.0 + ROUNDING))
    return np.asarray(target / logging, dtype=np.float64)


def unsupported_mass(logging: ArrayLike, target: ArrayLike) -> Floats:
    """Target probability of actions that the log can never show, [N] for [N, P].

    >>> unsupported_mass([[0.5, 0.5, 0.0]], [[0.2, 0.2, 0.6]]).tolist()
    [0.6]
    """
    never = np.asarray(logging, dtype=np.float64) <= 0.0
    return np.asarray(np.where(never, target, 0.0).sum(axis=-1), dtype=np.float64)


def _check(values: Floats, name: str, domain: str, is_good: Bools) -> None:
    if not is_good.all():
        raise DataQualityError(
            "a propensity is not a probability",
            which=name,
            expected=domain,
            got=str(values[~is_good].ravel()[0]),
            todo="check the propensities that the service logs",
        )
