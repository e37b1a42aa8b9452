"""The array types of the statistics; the docstring of each use gives the shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Doubles: rewards, probabilities, weights."""

Longs = NDArray[np.int64]
"""64-bit integers: places, counts, and fixed-point terms in whole numbers of 2^-24."""

Bools = NDArray[np.bool_]
"""Truth values."""
