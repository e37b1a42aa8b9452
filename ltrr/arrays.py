"""Array types of all packages: the type gives the elements, the docstring of a use the shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Doubles: rewards, probabilities, scores, values of features."""

Floats32 = NDArray[np.float32]
"""32-bit floats: what XGBoost reads and what the files of a bundle store."""

Longs = NDArray[np.int64]
"""64-bit integers: indices of plans, hashes, positions in a file."""

Bools = NDArray[np.bool_]
"""Conditions, one for each element."""

Bytes = NDArray[np.uint8]
"""Texts, encoded."""

Integers8 = NDArray[np.int8]
"""Depths of plans."""

Unsigned32 = NDArray[np.uint32]
"""Codes of entities and rates in millionths."""

Unsigned64 = NDArray[np.uint64]
"""Words of a hash."""
