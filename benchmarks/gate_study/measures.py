"""Measures of the gate on simulated streams: false promotions, true gains, slices."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from benchmarks.gate_study.challengers import DESIGN, NIGHTS, VALUE, Challenger, traffic
from benchmarks.gate_study.streams import Outcome, Scenario, run
from benchmarks.gate_study.users import run_users
from ltrr.estimation.sequential import nights_to_verdict

SLICES, HARMED_SLICE = 12, -0.10


def scenarios() -> dict[str, Scenario]:
    """Scenarios in which no challenger is better: every promotion is false."""
    sigmas = (1.1, 0.8, 1.5)
    impressions = traffic(Challenger(1.1, DESIGN.effect))

    def equal(which: int, _age: int, _night: int) -> Challenger:
        return Challenger(sigmas[which % 3], 0.0)

    def worse(which: int, _age: int, _night: int) -> Challenger:
        return Challenger(sigmas[which % 3], -0.01)

    def filling(which: int, _age: int, night: int) -> Challenger:
        # The memory fills: all policies earn more. The error of q, which was fitted on the first
        # night, grows.
        return Challenger(sigmas[which % 3], 0.0, level=0.7 + 0.6 * night / NIGHTS)

    def swinging(which: int, age: int, _night: int) -> Challenger:
        # The memory first hurts the challenger, then helps it as much. It is never better over the
        # nights on which it was judged.
        return Challenger(sigmas[which % 3], -0.033 if age < DESIGN.life_nights // 2 else 0.033)

    return {
        "equal": Scenario(
            "different policies of equal value, stopped early for futility", equal, impressions, salt=5467
        ),
        "worse": Scenario("candidates 1 % worse", worse, impressions),
        "calendar": Scenario("a new challenger every 14 nights", equal, impressions, may_be_futile=False),
        "filling": Scenario(
            "drifting memory: rewards grow from -30 % to +30 %", filling, impressions, may_be_futile=False
        ),
        "swinging": Scenario(
            "drifting memory: -3.3 % for 7 nights, then +3.3 %", swinging, impressions, may_be_futile=False
        ),
    }


def measure_false(streams: int, seed: int) -> dict[str, dict[str, float]]:
    """Scenario -> share of streams with any promotion, and number of challengers."""
    outcomes = {scenario.name: run(scenario, streams, seed) for scenario in scenarios().values()}
    outcomes["returning users, judged by user"] = run_users(streams, seed, by_impression=False)
    found = {name: summarize_promotions(outcome) for name, outcome in outcomes.items()}
    found["(returning users, judged by impression: wrong)"] = summarize_promotions(
        run_users(min(streams, 2_000), seed, by_impression=True)
    )
    return found


def summarize_promotions(outcome: Outcome) -> dict[str, float]:
    """Number of streams, share of streams that promote, and mean number of challengers."""
    return {
        "streams": len(outcome.promoted),
        "promoted": float(np.isfinite(outcome.promoted).mean()),
        "challengers": float(outcome.challengers.mean()),
    }


def measure_gains(streams: int, seed: int) -> list[dict[str, Any]]:
    """Promotions of one challenger that is truly better, at the traffic of STATED_FACTOR."""
    rows = []
    for sigma, gain in ((1.1, 0.02), (1.7, 0.02), (1.1, 0.05), (1.1, 0.15)):
        challenger = Challenger(sigma, gain)
        impressions = traffic(Challenger(sigma, DESIGN.effect))
        outcome = run(
            Scenario(f"{gain:+.0%}, sigma {sigma}", lambda *_, c=challenger: c, impressions, DESIGN.life_nights),
            streams,
            seed,
        )
        nights = outcome.promoted[np.isfinite(outcome.promoted)]
        rows.append(
            {
                "gain": gain,
                "s": Challenger(sigma, DESIGN.effect).spread(),
                "impressions": impressions,
                "promoted": float(np.isfinite(outcome.promoted).mean()),
                "median_night": float(np.median(nights)),
                "told": nights_to_verdict(
                    DESIGN, DESIGN.share, impressions / (challenger.spread() * VALUE) ** 2, gain * VALUE, 0.8
                ),
            }
        )
    return rows


def measure_slices(streams: int, seed: int) -> list[dict[str, Any]]:
    """Promotions of a challenger that gains overall, with and without a slice that loses 10 %."""
    rows = []
    impressions = traffic(Challenger(1.1, DESIGN.effect))
    for waits_for_slices, gain in ((True, 0.02), (True, 0.05), (True, 0.15), (False, 0.02), (False, 0.05)):
        for harmed in (HARMED_SLICE, gain):
            others = (gain * SLICES - harmed) / (SLICES - 1)
            gains = (harmed, *[others] * (SLICES - 1))
            name = f"{gain:+.0%} on the whole, one slice {harmed:+.0%}"
            challenger = Challenger(1.1, gain)
            outcome = run(
                Scenario(name, lambda *_, c=challenger: c, impressions, DESIGN.life_nights, gains=gains),
                streams,
                seed,
                replace(DESIGN, waits_for_slices=waits_for_slices),
            )
            promoted = np.isfinite(outcome.promoted)
            rows.append(
                {
                    "waits": waits_for_slices,
                    "gain": gain,
                    "slice": harmed,
                    "crossed": float(outcome.crossed.mean()),
                    "promoted": float(promoted.mean()),
                    "refused_of_crossed": float(1.0 - promoted.sum() / max(outcome.crossed.sum(), 1)),
                    "refused_for_slice": float(outcome.harmed.mean()),
                    "median_night": float(np.median(outcome.promoted[promoted])) if promoted.any() else inf,
                }
            )
    return rows
