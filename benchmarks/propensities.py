"""Wrong propensities: are they found, are honest logs left alone, and is what a log says it could reveal true?

    python benchmarks/propensities.py [--json OUT] [--table OUT] [--decisions 10000] [--logs 10000] [--seed 1]

Own logs: a night of a trained policy is replayed from its bundle (`propensities_replay`). Foreign logs: worlds of known
propensities, each with logs that hold the probabilities of all actions, of the drawn one alone, and with users who are
given one draw ten times over. Counted are honest logs with any alarm of `ltrr.estimation.calibration`; then logs are
corrupted exactly as much as each world's first honest log says it would reveal with 99 % power. Exits 1 where a bar
does not hold; about fifteen minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from math import isnan, sqrt
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.estimation.calibration import LEVEL, Calibration
from ltrr.estimation.decisions import Decisions
from ltrr.estimation.logged_moments import LoggedMoments
from ltrr.estimation.propensity_finding import Finding

Floats = NDArray[np.float64]

ROWS, ACTIONS = (50, 300, 1_000, 4_000), (2, 10, 30)
SKEWS: Mapping[str, tuple[float, float]] = {"even": (50.0, 0.1), "skewed": (1.0, 0.1), "steep": (0.2, 0.0)}
"""Concentration of a row's propensities, and the share that is given to all actions alike."""
LEAST = 1e-5
KINDS = ("all actions", "drawn action", "all actions, one draw a user")
WORLDS = 5
"""Of each cell, with contexts of their own."""
DRAWS_A_USER = 10
LESS = 0.6
"""Of the corruption that a log says it would reveal: then it is found far less often, or it was not the smallest."""


@dataclass(frozen=True)
class Cell:
    """One sort of world.

    Attributes:
        rows: decisions of a log.
        actions: of each row.
        skew: key of SKEWS.
        kind: what the log holds.
    """

    rows: int
    actions: int
    skew: str
    kind: str


@dataclass(frozen=True)
class World:
    """True propensities and the judged policy of every row, [N, A], and whose row it is, [N]."""

    logging: Floats
    targets: Floats
    users: NDArray[np.int64]


def main() -> int:
    """Print the tables and the bars; 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--decisions", type=int, default=10_000, help="of the replayed night")
    parser.add_argument("--trials", type=int, default=2_000, help="corruptions of the night")
    parser.add_argument("--logs", type=int, default=10_000, help="honest logs of each kind")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    started = perf_counter()
    honest = [study_honest(cell, max(told.logs // 36, WORLDS), told.seed) for cell in cells()]
    power = [row for cell in power_cells() for row in study_power(cell, max(told.logs // 25, 20), told.seed)]
    # Spark starts here: what is above needs none.
    from propensities_replay import study_replay

    replay = study_replay(told.decisions, told.trials, told.seed)
    bars = check(replay, honest, power, told.trials)
    text = markdown(replay, honest, power, bars)
    print(text)
    for bar, holds in bars.items():
        print(f"{'holds ' if holds else 'BROKEN'}  {bar}")
    if told.table:
        told.table.write_text(text + "\n")
    if told.json:
        figures = {"replay": replay, "honest": honest, "power": power, "bars": bars}
        told.json.write_text(json.dumps(figures | {"seconds": perf_counter() - started}, indent=2) + "\n")
    broken = [bar for bar, holds in bars.items() if not holds]
    print(
        f"{len(bars) - len(broken)} of {len(bars)} bars hold: " + ("all" if not broken else "not: " + "; ".join(broken))
    )
    return 1 if broken else 0


def cells() -> Iterator[Cell]:
    """All sorts of worlds."""
    for told in product(ROWS, ACTIONS, SKEWS, KINDS):
        yield Cell(*told)


def power_cells() -> Iterator[Cell]:
    """Those large enough that most corruptions can be revealed."""
    for (rows, actions), skew in product(((2_000, 2), (2_000, 10), (8_000, 2)), ("even", "skewed")):
        yield Cell(rows, actions, skew, KINDS[0])
        yield Cell(rows, actions, skew, KINDS[1])


def world_of(cell: Cell, rng: np.random.Generator) -> World:
    """Contexts of one world; a user has one."""
    each = DRAWS_A_USER if cell.kind == KINDS[2] else 1
    users = np.arange(cell.rows) // each
    concentration, even = SKEWS[cell.skew]
    people = int(users[-1]) + 1
    p = rng.dirichlet(np.full(cell.actions, concentration), people)
    p = np.maximum((1.0 - even) * p + even / cell.actions, LEAST)
    p /= p.sum(axis=1, keepdims=True)
    return World(p[users], rng.dirichlet(np.ones(cell.actions), people)[users], users)


def draw(world: World, logging: Floats, kind: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """An action a row, by these propensities; all rows of a user by one draw where the kind says so."""
    luck = rng.random(len(logging))
    if kind == KINDS[2]:
        luck = luck[world.users]
    return (luck[:, None] > logging.cumsum(axis=1)).sum(axis=1).clip(0, logging.shape[1] - 1)


def findings(world: World, logged: Floats, action: NDArray[np.int64], kind: str) -> list[Finding]:
    """What `ltrr ope` finds in a log that states these propensities."""
    places = np.arange(len(action))
    p, weights = logged[places, action], world.targets[places, action] / logged[places, action]
    drawn = Calibration.of(
        p, action, loggings=None if kind == KINDS[1] else logged, targets=world.targets, weights=weights
    )
    users = world.users if kind == KINDS[2] else None
    moments = LoggedMoments.of(Decisions(weights, np.zeros(len(p))), 100.0, users)
    return drawn.findings(moments.design_effect)


def study_honest(cell: Cell, logs: int, seed: int) -> dict[str, Any]:
    """Alarms of logs whose propensities are true, and how often their mean weight is off by 4 standard errors."""
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
    """What one honest log says that it would reveal, and how often logs corrupted so, and by LESS of it, are found."""
    rng = np.random.default_rng([seed, cell.rows, cell.actions, *map(ord, cell.skew + cell.kind), 1])
    world = world_of(cell, rng)
    honest = findings(world, world.logging, draw(world, world.logging, cell.kind, rng), cell.kind)
    for finding in honest:
        for factor in (2.0, 0.5) if finding.is_weight else ():
            yield from _power(cell, world, finding.what, finding.revealed_share(factor), factor, logs, rng)
    counted = [finding for finding in honest if not finding.is_weight and finding.is_known]
    if counted:
        rarest = min(counted, key=lambda finding: finding.expected)
        yield from _power(cell, world, rarest.what, rarest.revealed_share(2.0), None, logs, rng)


def _power(
    cell: Cell, world: World, what: str, share: float, factor: float | None, logs: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Nothing where the log can reveal none."""
    if isnan(share) or (factor is None and not is_possible(world, what, share)):
        return
    corruption = "drawn too often" if factor is None else f"rows logged at {'half' if factor > 1.0 else 'twice'}"
    found = {}
    for part in (1.0, LESS):
        alarms = [
            any(
                finding.excess
                for finding in corrupted(cell, world, what, part * share, factor, rng)
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
        "found_of_less": found[LESS],
    }


def is_possible(world: World, what: str, share: float) -> bool:
    """Whether the action can be drawn so much more often in every row."""
    return bool((world.logging[:, place_of(what)] * (1.0 + share) < 1.0).all())


def corrupted(
    cell: Cell, world: World, what: str, share: float, factor: float | None, rng: np.random.Generator
) -> list[Finding]:
    """Rows at random with the drawn action's propensity divided by the factor; or one action drawn more often."""
    places = np.arange(cell.rows)
    if factor is not None:
        action = draw(world, world.logging, cell.kind, rng)
        logged = world.logging.copy()
        logged[places, action] /= np.where(rng.random(cell.rows) < share, factor, 1.0)
        return findings(world, logged, action, cell.kind)
    true, place = world.logging.copy(), place_of(what)
    more = true[:, place] * (1.0 + share)
    true *= ((1.0 - more) / (1.0 - true[:, place]))[:, None]
    true[:, place] = more
    return findings(world, world.logging, draw(world, true, cell.kind, rng), cell.kind)


def place_of(what: str) -> int:
    """The number of an action."""
    return int(what.removeprefix("action "))


def check(replay: dict[str, Any], honest: list[Any], power: list[Any], trials: int) -> dict[str, bool]:
    """Bar -> whether it holds."""
    found = {row["rows"]: row["found"] for row in replay["samples"]}
    slack = 3.0 * sqrt(0.99 * 0.01 / trials)
    told, wrong, whole = replay["honest"], replay["wrong"], replay["whole_checks"]
    bars = {
        f"all {told['replayed']:,} honest rows replayed: no alarm (got {told['unequal']})": (
            told["replayed"] == replay["decisions"] and told["unequal"] == 0
        ),
        f"replay of all rows finds all {wrong['marked']} wrong ones (got {wrong['found_of_all']})": (
            wrong["found_of_all"] == wrong["marked"]
        ),
        f"459 sampled rows find 1 % wrong by 2x with 99 % (got {found[459]:.2%} of {trials:,})": (
            found[459] >= 0.99 - slack
        ),
        f"and do so end to end ({whole['found']} of {whole['runs']})": whole["found"] >= whole["runs"] - 1,
    }
    for kind in KINDS:
        mine = [row for row in honest if row["kind"] == kind]
        logs, alarms = sum(row["logs"] for row in mine), sum(row["alarms"] for row in mine)
        worst = max(row["alarms"] / row["logs"] for row in mine)
        error = sqrt(LEVEL * (1.0 - LEVEL) / mine[0]["logs"])
        bars[f"{kind}: at most 1 % of {logs:,} honest logs alarmed (got {alarms / logs:.2%})"] = alarms <= LEVEL * logs
        bars[f"{kind}: and in every cell, within 3 Monte-Carlo errors (worst {worst:.2%})"] = (
            worst <= LEVEL + 3.0 * error
        )
    least = min(row["found"] for row in power)
    less = max(row["found_of_less"] for row in power)
    error = sqrt(0.98 * 0.02 / power[0]["logs"])
    bars[f"what a log says it would reveal is found with 98 % or more (least {least:.1%})"] = (
        least >= 0.98 - 3.0 * error
    )
    bars[f"and it is the smallest: {LESS:.0%} of it is found with less than 95 % (most {less:.1%})"] = less < 0.95
    return bars


def markdown(replay: dict[str, Any], honest: list[Any], power: list[Any], bars: dict[str, bool]) -> str:
    """The tables of docs/propensities.md."""
    blocks = [
        _table(
            ["rows replayed", "1 - .99^n", "found"],
            [[f"{row['rows']:,}", f"{row['by_formula']:.1%}", f"{row['found']:.1%}"] for row in replay["samples"]],
        ),
        _table(
            ["judged policy", "rows", "effective sample", "found beyond 1.96", "false", "found beyond 4", "false"],
            [
                [
                    row["policy"],
                    f"{row['rows']:,}",
                    f"{row['effective_sample']:.1%}",
                    *(f"{row[f'{kind}_beyond_{limit}']:.1%}" for limit in ("1.96", "4") for kind in ("found", "false")),
                ]
                for row in replay["mean_weight"]
            ],
        ),
        _table(
            ["propensities", "rows", *KINDS, "mean weight beyond 4 standard errors"],
            [
                [
                    skew,
                    f"{rows:,}",
                    *(_rate([row for row in honest if _is(row, skew, rows, kind)], "alarms") for kind in KINDS),
                    _rate([row for row in honest if _is(row, skew, rows, KINDS[0])], "mean_weight_beyond_4"),
                ]
                for skew in SKEWS
                for rows in ROWS
            ],
        ),
        _table(
            [
                "the log holds",
                "rows",
                "actions",
                "propensities",
                "sum",
                "corruption",
                "revealed",
                "found",
                f"{LESS:.0%}",
            ],
            [
                [
                    row["kind"],
                    f"{row['rows']:,}",
                    str(row["actions"]),
                    row["skew"],
                    row["sum"],
                    row["corruption"],
                    f"{row['revealed']:.1%}",
                    f"{row['found']:.1%}",
                    f"{row['found_of_less']:.1%}",
                ]
                for row in power
            ],
        ),
        _table(["bar", ""], [[bar, "holds" if holds else "**missed**"] for bar, holds in bars.items()]),
    ]
    return "\n\n".join(blocks)


def _is(row: dict[str, Any], skew: str, rows: int, kind: str) -> bool:
    return (row["skew"], row["rows"], row["kind"]) == (skew, rows, kind)


def _rate(rows: list[Any], what: str) -> str:
    """Over cells of as many logs each."""
    return f"{sum(row[what] for row in rows) / sum(row['logs'] for row in rows):.2%}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
