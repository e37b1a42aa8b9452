"""Simulated slates with known examination: users click by the position-based model."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

DAY = dt.date(2026, 3, 2)
TRUE_CURVE = np.array([1.0, 0.72, 0.55, 0.43, 0.34, 0.28, 0.22, 0.18])


def slate_rows(
    seed: int, impressions: int, *, surface: str = "search", curve: np.ndarray = TRUE_CURVE, jitter: float = 0.25
) -> pd.DataFrame:
    """Slate rows of one day.

    With `jitter` 0, all slates of a query have the same order, so no position is identified.
    Attractiveness is drawn per query and entity. A few queries have most impressions, and better
    entities have better positions.
    """
    rng = np.random.default_rng(seed)
    queries, entities, positions = 800, 16, curve.size
    attractiveness = np.random.default_rng(1).beta(0.6, 2.0, size=(queries, entities))
    query = np.minimum(rng.zipf(1.3, impressions), queries) - 1
    promise = attractiveness[query] + rng.normal(0.0, 1.0, (impressions, entities)) * jitter
    shown = np.argsort(-promise, axis=1, kind="stable")[:, :positions]
    wanted = np.take_along_axis(attractiveness[query], shown, axis=1)
    clicks = rng.random((impressions, positions)) < wanted * curve
    user = rng.integers(0, impressions // 4 + 1, impressions)
    return pd.DataFrame(
        {
            "impression_id": np.repeat([f"{surface}-{seed}-{n}" for n in range(impressions)], positions),
            "position": np.tile(np.arange(1, positions + 1, dtype=np.int32), impressions),
            "log_date": DAY,
            "entity_id": [f"e{n}" for n in shown.ravel()],
            "query_key": [f"query {n}" for n in np.repeat(query, positions)],
            "user_key": [f"u{n}" for n in np.repeat(user, positions)],
            "surface": surface,
            "clicks": clicks.ravel().astype(np.int32),
        }
    )
