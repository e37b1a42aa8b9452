"""How often do the gates of bandits, canaries and rankers together promote what is no better, and do they see a gain?

    python benchmarks/ranker_gate.py [--json OUT] [--streams 4000] [--seed 1]

A stream is 60 nights of one champion, with trials of all kinds that draw from the one budget of alpha. A ranker's page
is one of ten entities, clicked by position; its difference is the ratio of weighted sums of `ltrr.ranking.judging`. A
bandit's is that of benchmarks/gate.py, a canary's the difference of two groups of users. Books, trials, looks and
verdicts are those of `ltrr.publishing`. Exits 1 where a bar does not hold; about eight minutes on one idle core.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.gate_study.challengers import STATED_FACTOR
from benchmarks.ranker_study.kinds import Bandit, Canary, Kind, Order
from benchmarks.ranker_study.streams import Scenario, former_gate, needed, run
from ltrr.estimation.intervals import estimate_difference
from ltrr.estimation.moments import ClusteredSums
from ltrr.publishing.settings import GateSettings
from ltrr.publishing.trials import BANDIT_TRIAL, CANARY_TRIAL, RANKER_TRIAL

GATE = GateSettings()
MAKERS: dict[str, Any] = {BANDIT_TRIAL: Bandit, CANARY_TRIAL: Canary, RANKER_TRIAL: Order}


def kinds_of(**gains: float) -> dict[str, Kind]:
    """Trials of these kinds with these true gains."""
    return {kind: MAKERS[kind](gain) for kind, gain in gains.items()}


def scenario_of(name: str, canary_chance: float = 0.0, gate: GateSettings = GATE, **gains: float) -> Scenario:
    """At the traffic that sees a gain of `effect` of each kind."""
    traffic = {kind: needed(MAKERS[kind](GATE.effect), gate, STATED_FACTOR) for kind in gains}
    return Scenario(name, kinds_of(**gains), traffic, canary_chance, gate)


def check_estimates(seed: int) -> None:
    """The study's estimate of an order is that of `ltrr.estimation.intervals`, which judges the real ones."""
    order, rng = Order(0.01), np.random.default_rng(seed)
    cells = rng.choice(11, 2_000, p=order.chances)
    sums = order.terms[cells].sum(axis=0)[None, :]
    # Served DCG is a constant apart: the paired difference needs the two DCGs alone.
    served = order.gains[cells] * 0.5
    terms = {"candidate": (served + order.differences[cells]).tolist(), "served": served.tolist()}
    terms["weight"] = order.gains[cells].tolist()
    real = estimate_difference(
        ClusteredSums.of(terms, [str(page) for page in range(2_000)]), ("candidate", "weight"), ("served", "weight")
    )
    mine = [float(value[0]) for value in order.estimates(sums)]
    assert np.allclose(mine, [real.value, real.standard_error], rtol=1e-4), (mine, real)


def main() -> int:
    """Every scenario, the tables, and which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--streams", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    began = perf_counter()
    check_estimates(told.seed)
    calendar = replace(GATE, futile_power=0.0)
    everything = {"bandit": 0.0, "canary": 0.0, "ranker": 0.0}
    scenarios = [
        scenario_of("bandits, canaries and rankers of equal value", 0.05, **everything),
        scenario_of("bandits and rankers of equal value, none given up early", gate=calendar, bandit=0.0, ranker=0.0),
        scenario_of("all of them 1 % worse", 0.05, bandit=-0.01, canary=-0.01, ranker=-0.01),
    ]
    bars: dict[str, bool] = {}
    rows: list[dict[str, Any]] = []
    for scenario in scenarios:
        outcome = run(scenario, told.streams, told.seed)
        row = {
            "name": scenario.name,
            "promoted": outcome.any_promoted(),
            **{kind: float(np.isfinite(nights).mean()) for kind, nights in outcome.promoted.items()},
            **{f"{kind}_trials": float(begun.mean()) for kind, begun in outcome.begun.items()},
        }
        rows.append(row)
        print(f"{scenario.name}: {row['promoted']:.2%}, {perf_counter() - began:.0f} s", flush=True)
        bars[f"at most 5 % of streams promote falsely: {scenario.name}"] = row["promoted"] <= GATE.alpha
    gains: list[dict[str, Any]] = []
    for gain in (0.02, 0.04):
        scenario = scenario_of(f"ranker {gain:+.0%} beside equal bandits", bandit=0.0, ranker=gain)
        scenario = replace(scenario, nights=GATE.life_nights + 1)
        nights = run(scenario, told.streams, told.seed).promoted[RANKER_TRIAL]
        seen = nights[np.isfinite(nights)]
        gains.append(
            {
                "gain": gain,
                "s": scenario.kinds[RANKER_TRIAL].spread(),
                "impressions": scenario.impressions[RANKER_TRIAL],
                "promoted": float(np.isfinite(nights).mean()),
                "median_night": float(np.median(seen)) - 1.0 if len(seen) else float("inf"),
            }
        )
    bars["a ranker of +2 % is promoted within 14 nights in at least 80 %"] = gains[0]["promoted"] >= 0.8
    former = former_gate(Order(0.0), needed(Order(GATE.effect), GATE, STATED_FACTOR), told.streams, told.seed)
    print(
        "| nothing is better | falsely promoted | bandits | canaries | rankers | trials a stream |\n"
        "|---|---|---|---|---|---|"
    )
    for row in rows:
        of_kind = " | ".join(f"{row[kind]:.2%}" if kind in row else "-" for kind in MAKERS)
        trials = sum(row.get(f"{kind}_trials", 0.0) for kind in MAKERS)
        print(f"| {row['name']} | {row['promoted']:.2%} | {of_kind} | {trials:.1f} |")
    print(f"| (former gate: a ranker a night at level .025, no budget) | {former:.1%} | - | - | {former:.1%} | 60 |")
    print(
        "\n| ranker's true gain | s | pages a night | promoted within 14 nights | median night |\n|---|---|---|---|---|"
    )
    for row in gains:
        print(
            f"| {row['gain']:+.0%} | {row['s']:.2f} | {row['impressions']:,} | {row['promoted']:.1%} | "
            f"{row['median_night']:.0f} |"
        )
    for name, holds in bars.items():
        print(f"{'holds' if holds else 'MISSED'}: {name}")
    if told.json:
        result = {"streams": told.streams, "seed": told.seed, "false": rows, "gains": gains, "former": former}
        told.json.write_text(json.dumps(result | {"bars": bars}, indent=1) + "\n", encoding="utf-8")
    missed = [name for name, holds in bars.items() if not holds]
    print(
        f"{len(bars) - len(missed)} of {len(bars)} bars hold, {told.streams} streams each, "
        f"{perf_counter() - began:.0f} s; not: {'; '.join(missed) or 'none'}"
    )
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
