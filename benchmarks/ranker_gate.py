"""Error rates of the gates of bandits, canaries and rankers together.

    python benchmarks/ranker_gate.py [--json OUT] [--streams 4000] [--seed 1]

A stream is 60 nights of one champion, with trials of all kinds that share one budget of alpha. A
page of a ranker has ten entities, and clicks depend on the position; its difference is the ratio of
weighted sums of `ltrr.ranking.judging`. The difference of a bandit is that of benchmarks/gate.py.
The difference of a canary is between two groups of users. `ltrr.publishing` keeps the trial log and
decides about trials. The benchmark counts false promotions and detected gains. The exit code is 1
if a bar is missed. The run takes about eight minutes on one idle core.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.command_line import add_outputs, new_parser, report_bars, write_json
from benchmarks.gate_study.challengers import STATED_FACTOR
from benchmarks.ranker_study.kinds import Bandit, Canary, Kind, Order
from benchmarks.ranker_study.streams import Scenario, measure_former_gate, needed_impressions, run
from ltrr.estimation.intervals import estimate_difference
from ltrr.estimation.moments import ClusteredSums
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import BANDIT_TRIAL, CANARY_TRIAL, RANKER_TRIAL

GATE = GateSettings()
MAKERS: dict[str, Any] = {BANDIT_TRIAL: Bandit, CANARY_TRIAL: Canary, RANKER_TRIAL: Order}


def kinds_of(**gains: float) -> dict[str, Kind]:
    """Kind -> trials with the given true gain."""
    return {kind: MAKERS[kind](gain) for kind, gain in gains.items()}


def scenario_of(name: str, canary_chance: float = 0.0, gate: GateSettings = GATE, **gains: float) -> Scenario:
    """Scenario with the traffic at which the gate detects a gain of `effect` of each kind."""
    traffic = {kind: needed_impressions(MAKERS[kind](GATE.effect), gate, STATED_FACTOR) for kind in gains}
    return Scenario(name, kinds_of(**gains), traffic, canary_chance, gate)


def check_estimates(seed: int) -> None:
    """Assert that the study's estimate of an order equals that of `ltrr.estimation.intervals`."""
    order, rng = Order(0.01), np.random.default_rng(seed)
    cells = rng.choice(11, 2_000, p=order.chances)
    sums = order.terms[cells].sum(axis=0)[None, :]
    # A constant in the DCG of the served order cancels in the paired difference.
    served = order.gains[cells] * 0.5
    terms = {"candidate": (served + order.differences[cells]).tolist(), "served": served.tolist()}
    terms["weight"] = order.gains[cells].tolist()
    real = estimate_difference(
        ClusteredSums.of(terms, [str(page) for page in range(2_000)]), ("candidate", "weight"), ("served", "weight")
    )
    mine = [float(value[0]) for value in order.estimates(sums)]
    assert np.allclose(mine, [real.value, real.standard_error], rtol=1e-4), (mine, real)


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser)
    parser.add_argument("--streams", type=int, default=4_000, help="Number of streams of each scenario")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main() -> int:
    """Print the tables of all scenarios and the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    started = perf_counter()
    check_estimates(options.seed)
    rows = []
    for scenario in scenarios_without_gain():
        rows.append(measure_false(scenario, options.streams, options.seed))
        print(f"{scenario.name}: {rows[-1]['promoted']:.2%}, {perf_counter() - started:.0f} s", flush=True)
    gains = [measure_gain(gain, options.streams, options.seed) for gain in (0.02, 0.04)]
    former = measure_former_gate(
        Order(0.0), needed_impressions(Order(GATE.effect), GATE, STATED_FACTOR), options.streams, options.seed
    )
    bars = {f"at most 5 % of streams promote falsely: {row['name']}": row["promoted"] <= GATE.alpha for row in rows}
    bars["a ranker of +2 % is promoted within 14 nights in at least 80 %"] = gains[0]["promoted"] >= 0.8
    print_tables(rows, gains, former)
    result = {"streams": options.streams, "seed": options.seed, "false": rows, "gains": gains, "former": former}
    write_json(options.json, result | {"bars": bars})
    return report_bars(bars, f"{options.streams} streams each, {perf_counter() - started:.0f} s")


def scenarios_without_gain() -> list[Scenario]:
    """Scenarios in which no trial is better than the champion."""
    calendar = replace(GATE, futile_power=0.0)
    everything = {"bandit": 0.0, "canary": 0.0, "ranker": 0.0}
    return [
        scenario_of("bandits, canaries and rankers of equal value", 0.05, **everything),
        scenario_of("bandits and rankers of equal value, none given up early", gate=calendar, bandit=0.0, ranker=0.0),
        scenario_of("all of them 1 % worse", 0.05, bandit=-0.01, canary=-0.01, ranker=-0.01),
    ]


def measure_false(scenario: Scenario, streams: int, seed: int) -> dict[str, Any]:
    """Shares of streams that promote, and mean number of trials, by kind of trial."""
    outcome = run(scenario, streams, seed)
    return {
        "name": scenario.name,
        "promoted": outcome.any_promoted(),
        **{kind: float(np.isfinite(nights).mean()) for kind, nights in outcome.promoted.items()},
        **{f"{kind}_trials": float(begun.mean()) for kind, begun in outcome.begun.items()},
    }


def measure_gain(gain: float, streams: int, seed: int) -> dict[str, Any]:
    """Share of streams that promote a ranker with a true gain, and median night of promotion."""
    # The name is part of the seed of the streams.
    scenario = scenario_of(f"ranker {gain:+.0%} beside equal bandits", bandit=0.0, ranker=gain)
    scenario = replace(scenario, nights=GATE.life_nights + 1)
    nights = run(scenario, streams, seed).promoted[RANKER_TRIAL]
    promoted = nights[np.isfinite(nights)]
    return {
        "gain": gain,
        "s": scenario.kinds[RANKER_TRIAL].spread(),
        "impressions": scenario.impressions[RANKER_TRIAL],
        "promoted": float(np.isfinite(nights).mean()),
        "median_night": float(np.median(promoted)) - 1.0 if len(promoted) else float("inf"),
    }


def print_tables(rows: list[dict[str, Any]], gains: list[dict[str, Any]], former: float) -> None:
    """Print false promotions by scenario, then true promotions by gain."""
    print(
        "| no true difference | falsely promoted | by bandits | by canaries | by rankers | trials a stream |\n"
        "|---|---|---|---|---|---|"
    )
    for row in rows:
        of_kind = " | ".join(f"{row[kind]:.2%}" if kind in row else "-" for kind in MAKERS)
        trials = sum(row.get(f"{kind}_trials", 0.0) for kind in MAKERS)
        print(f"| {row['name']} | {row['promoted']:.2%} | {of_kind} | {trials:.1f} |")
    name = "(for comparison: one test of a ranker every night at level .025, no budget)"
    print(f"| {name} | {former:.1%} | - | - | {former:.1%} | 60 |")
    print(
        "\n| ranker's true gain | s | pages a night | promoted within 14 nights | median night |\n|---|---|---|---|---|"
    )
    for row in gains:
        print(
            f"| {row['gain']:+.0%} | {row['s']:.2f} | {row['impressions']:,} | {row['promoted']:.1%} | "
            f"{row['median_night']:.0f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
