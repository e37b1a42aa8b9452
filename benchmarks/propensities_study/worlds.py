"""Worlds of known propensities, logs drawn from them, and findings of `ltrr ope` about a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.estimation.calibration import Calibration
from ltrr.estimation.decisions import Decisions
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.propensity_finding import Finding

ROWS, ACTIONS = (50, 300, 1_000, 4_000), (2, 10, 30)
SKEWS: Mapping[str, tuple[float, float]] = {"even": (50.0, 0.1), "skewed": (1.0, 0.1), "steep": (0.2, 0.0)}
"""Concentration of the propensities of a row, and the share that is split evenly over actions."""
MIN_PROPENSITY = 1e-5
KINDS = ("all actions", "drawn action", "all actions, one draw a user")
WORLDS = 5
"""Number of worlds of each cell; each has its own contexts."""
DRAWS_A_USER = 10


@dataclass(frozen=True)
class Cell:
    """Parameters of a world.

    Attributes:
        rows: Number of decisions of a log.
        actions: Number of actions of each row.
        skew: Key of SKEWS.
        kind: Contents of the log, one of KINDS.
    """

    rows: int
    actions: int
    skew: str
    kind: str


@dataclass(frozen=True)
class World:
    """A world with N rows and A actions.

    Attributes:
        logging: True propensities, [N, A].
        targets: Probabilities of the judged policy, [N, A].
        users: User of each row, [N].
    """

    logging: Floats
    targets: Floats
    users: Longs


def cells() -> Iterator[Cell]:
    """Cells of the study of alarms."""
    for cell in product(ROWS, ACTIONS, SKEWS, KINDS):
        yield Cell(*cell)


def power_cells() -> Iterator[Cell]:
    """Cells of the study of power; their logs are large enough to reveal most corruptions."""
    for (rows, actions), skew in product(((2_000, 2), (2_000, 10), (8_000, 2)), ("even", "skewed")):
        yield Cell(rows, actions, skew, KINDS[0])
        yield Cell(rows, actions, skew, KINDS[1])


def world_of(cell: Cell, rng: np.random.Generator) -> World:
    """Random world of a cell; all rows of a user have the same context."""
    each = DRAWS_A_USER if cell.kind == KINDS[2] else 1
    users = np.arange(cell.rows) // each
    concentration, even = SKEWS[cell.skew]
    user_count = int(users[-1]) + 1
    p = rng.dirichlet(np.full(cell.actions, concentration), user_count)
    p = np.maximum((1.0 - even) * p + even / cell.actions, MIN_PROPENSITY)
    p /= p.sum(axis=1, keepdims=True)
    return World(p[users], rng.dirichlet(np.ones(cell.actions), user_count)[users], users)


def draw(world: World, logging: Floats, kind: str, rng: np.random.Generator) -> Longs:
    """Action of each row, drawn by the given propensities, [N].

    In logs of the kind with one draw a user, all rows of a user share the draw.
    """
    uniforms = rng.random(len(logging))
    if kind == KINDS[2]:
        uniforms = uniforms[world.users]
    return (uniforms[:, None] > logging.cumsum(axis=1)).sum(axis=1).clip(0, logging.shape[1] - 1)


def findings(world: World, logged: Floats, action: Longs, kind: str) -> list[Finding]:
    """Findings of `ltrr ope` about a log with the given logged propensities."""
    places = np.arange(len(action))
    p, weights = logged[places, action], world.targets[places, action] / logged[places, action]
    drawn = Calibration.of(
        p, action, loggings=None if kind == KINDS[1] else logged, targets=world.targets, weights=weights
    )
    users = world.users if kind == KINDS[2] else None
    moments = LoggedMoments.of(Decisions(weights, np.zeros(len(p))), 100.0, users)
    return drawn.findings(moments.design_effect)
