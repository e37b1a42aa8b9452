"""Pages and clicks of one day of honest users and robots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

DAY = date(2026, 3, 2)
POSITIONS = 6
QUERIES = 300
TRUE_CURVE = np.arange(1, POSITIONS + 1, dtype=np.float64) ** -0.7

Clicks = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""(generator, entities by position [n, POSITIONS]) -> clicks [n, POSITIONS]."""


@dataclass(frozen=True)
class Robot:
    """Robots with the same behaviour.

    Attributes:
        impressions: Number of impressions of each robot.
        clicks: Positions that each robot clicks.
        robots: Number of robots; each is a user.
        one_query: Whether each robot searches one query only.
    """

    impressions: int
    clicks: Clicks
    robots: int = 1
    one_query: bool = False


def click_position(position: int) -> Clicks:
    """Clicks of a robot that always clicks one position, 1-based."""

    def click(_: np.random.Generator, entities: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.arange(1, POSITIONS + 1) == position, entities.shape)

    return click


def click_everything(_: np.random.Generator, entities: np.ndarray) -> np.ndarray:
    """Click every position."""
    return np.ones(entities.shape, dtype=np.bool_)


def click_random_position(rng: np.random.Generator, entities: np.ndarray) -> np.ndarray:
    """Click one position of each page, drawn at random."""
    return rng.integers(0, POSITIONS, (len(entities), 1)) == np.arange(POSITIONS)


def click_by_relevance(rng: np.random.Generator, entities: np.ndarray) -> np.ndarray:
    """Click by the position-based model: true examination times attraction .5 / (1 + entity)."""
    return rng.random(entities.shape) < TRUE_CURVE * 0.5 / (1.0 + entities)


def slate_rows(seed: int, impressions: int, users: int, robots: tuple[Robot, ...] = ()) -> pd.DataFrame:
    """Slate rows of a day. The rows of honest users do not depend on the robots.

    Args:
        seed: Seed of the honest searches.
        impressions: Number of impressions of honest users.
        users: Number of honest users; each searches about equally often.
        robots: Robots that search on the same day.
    """
    rng = np.random.default_rng(seed)
    parts = [_pages(rng, "person", rng.integers(0, users, impressions), click_by_relevance, one_query=False)]
    for number, robot in enumerate(robots):
        own = np.random.default_rng([seed, number])
        who = np.repeat(np.arange(robot.robots), robot.impressions)
        parts.append(_pages(own, f"robot{number}", who, robot.clicks, one_query=robot.one_query))
    return pd.concat(parts, ignore_index=True)


def _pages(rng: np.random.Generator, name: str, who: np.ndarray, clicks: Clicks, *, one_query: bool) -> pd.DataFrame:
    count = len(who)
    query = who % QUERIES if one_query else rng.zipf(1.6, count) % QUERIES
    entities = rng.permuted(np.tile(np.arange(POSITIONS), (count, 1)), axis=1)
    clicked = clicks(rng, entities).ravel().astype(np.int32)
    return pd.DataFrame(
        {
            "log_date": DAY,
            "impression_id": np.repeat([f"{name}-{n}" for n in range(count)], POSITIONS),
            "user_key": np.repeat([f"{name}-{n}" for n in who], POSITIONS),
            "surface": "search",
            "query_key": np.repeat([f"query {n}" for n in query], POSITIONS),
            "entity_id": [f"e{n}" for n in entities.ravel()],
            "position": np.tile(np.arange(1, POSITIONS + 1, dtype=np.int32), count),
            "clicks": clicked,
            "page_reward": clicked.astype(np.float64),
        }
    )
