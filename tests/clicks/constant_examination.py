"""A click model without position bias, added to the registry as a user would add one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyspark.sql import DataFrame

from ltrr.clicks.fit import EVERY_SURFACE, CurveFit, FittedCurve
from ltrr.clicks.models import ClickModel
from ltrr.clicks.settings import ClickSettings


def fit_constant(_: DataFrame, surfaces: Sequence[str], positions: int, settings: ClickSettings) -> CurveFit:
    """Users examine every position: examination is 1 without an error."""
    curve = FittedCurve(np.ones(positions), np.zeros(positions), np.ones(positions, dtype=np.bool_))
    return CurveFit(dict.fromkeys((EVERY_SURFACE, *surfaces), curve), 1, is_converged=True, method="constant")


CONSTANT = ClickModel(fit_constant, "constant examination")
