"""Rates of alarms of correct logs and of corrupted logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from math import isnan, sqrt
from typing import Any

import numpy as np

from benchmarks.propensities_study.worlds import WORLDS, Cell, World, draw, findings, world_of
from ltrr.estimation.propensity_finding import Finding

REDUCED_SHARE = 0.6
"""Share of the corruption that a log reports that it would reveal.

If the reported corruption is the smallest that the log reveals, this share is found less often.
"""


def study_correct(cell: Cell, logs: int, seed: int) -> dict[str, Any]:
    """Numbers of correct logs with an alarm, and with a mean weight beyond 4 standard errors."""
    rng = np.random.default_rng([seed, cell.rows, cell.actions, *map(ord, cell.skew + cell.kind)])
    worlds = [world_of(cell, rng) for _ in range(WORLDS)]
    alarms = beyond = 0
    for number in range(logs):
        world = worlds[number % WORLDS]
        action = draw(world, world.logging, cell.kind, rng)
        alarms += any(finding.excess for finding in findings(world, world.logging, action, cell.kind))
        places = np.arange(cell.rows)
        weights = world.targets[places, action] / world.logging[places, action]
        by_user = np.bincount(world.users, weights - weights.mean())
        beyond += abs(weights.sum() - cell.rows) > 4.0 * sqrt((by_user**2).sum())
    return asdict(cell) | {"logs": logs, "alarms": alarms, "mean_weight_beyond_4": int(beyond)}


def study_power(cell: Cell, logs: int, seed: int) -> Iterator[dict[str, Any]]:
    """Corruption that one correct log would reveal, and rates at which corrupted logs are found.

    The logs have the whole corruption, or the share REDUCED_SHARE of it.
    """
    rng = np.random.default_rng([seed, cell.rows, cell.actions, *map(ord, cell.skew + cell.kind), 1])
    world = world_of(cell, rng)
    correct = findings(world, world.logging, draw(world, world.logging, cell.kind, rng), cell.kind)
    for finding in correct:
        for factor in (2.0, 0.5) if finding.is_weight else ():
            yield from _power(cell, world, finding.what, finding.revealed_share(factor), factor, logs, rng)
    counted = [finding for finding in correct if not finding.is_weight and finding.is_known]
    if counted:
        rarest = min(counted, key=lambda finding: finding.expected)
        yield from _power(cell, world, rarest.what, rarest.revealed_share(2.0), None, logs, rng)


def _power(
    cell: Cell, world: World, what: str, share: float, factor: float | None, logs: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Rows of one corruption; no row if the log cannot reveal it."""
    if isnan(share) or (factor is None and not is_possible(world, what, share)):
        return
    corruption = "drawn too often" if factor is None else f"rows logged at {'half' if factor > 1.0 else 'twice'}"
    found = {}
    for part in (1.0, REDUCED_SHARE):
        alarms = [
            any(
                finding.excess
                for finding in corrupted_findings(cell, world, what, part * share, factor, rng)
                if finding.what == what
            )
            for _ in range(logs)
        ]
        found[part] = sum(alarms) / logs
    yield asdict(cell) | {
        "sum": what,
        "corruption": corruption,
        "revealed": share,
        "logs": logs,
        "found": found[1.0],
        "found_of_less": found[REDUCED_SHARE],
    }


def is_possible(world: World, what: str, share: float) -> bool:
    """Whether the action can be drawn more often by the given share in every row."""
    return bool((world.logging[:, action_number(what)] * (1.0 + share) < 1.0).all())


def corrupted_findings(
    cell: Cell, world: World, what: str, share: float, factor: float | None, rng: np.random.Generator
) -> list[Finding]:
    """Findings about a corrupted log.

    With a factor, the drawn propensity of random rows is divided by it. Without one, an action is
    drawn too often.
    """
    places = np.arange(cell.rows)
    if factor is not None:
        action = draw(world, world.logging, cell.kind, rng)
        logged = world.logging.copy()
        logged[places, action] /= np.where(rng.random(cell.rows) < share, factor, 1.0)
        return findings(world, logged, action, cell.kind)
    true, place = world.logging.copy(), action_number(what)
    more = true[:, place] * (1.0 + share)
    true *= ((1.0 - more) / (1.0 - true[:, place]))[:, None]
    true[:, place] = more
    return findings(world, world.logging, draw(world, true, cell.kind, rng), cell.kind)


def action_number(what: str) -> int:
    """Number of the action in the name of a sum."""
    return int(what.removeprefix("action "))
