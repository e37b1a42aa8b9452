"""Comparison of the gate's bound with other bounds on the same looks."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log

import numpy as np

from benchmarks.gate_study.challengers import DESIGN, Challenger, night_impressions, traffic
from benchmarks.gate_study.window import Window
from ltrr.arrays import Floats
from ltrr.estimation.boundary import critical_values
from ltrr.estimation.intervals import quantile


def mixture_critical(information: Floats, alpha: float) -> Floats:
    """Critical values of a one-sided normal-mixture confidence sequence, tightest near night 10.

    Howard et al., "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021, eq. 14.
    """
    v = information / information[..., 9:10]
    rho = 1.0 / (2.0 * log(1.0 / (2.0 * alpha)) + log(1.0 + 2.0 * log(1.0 / (2.0 * alpha))))
    return np.sqrt(2.0 * (v + rho) * np.log(np.sqrt((v + rho) / (4.0 * alpha**2 * rho)) + 1.0) / v)


def compare_bounds(scores: Floats, information: Floats, alpha: float) -> dict[str, tuple[float, float]]:
    """Bound -> share of streams promoted within a life, and mean number of nights of a life."""
    even = np.arange(1.0, DESIGN.life_nights + 1.0)
    bounds: dict[str, Floats] = {"one look on night 14": np.where(even == even[-1], quantile(1.0 - alpha), inf)}
    for shape in (1.0, 2.0, 3.0):
        design = replace(DESIGN, shape=shape)
        spent = [design.spent(alpha, night) for night in range(1, DESIGN.life_nights + 1)]
        bounds[f"spending, shape {shape:g}"] = np.array(critical_values(even.tolist(), spent))
    bounds["mixture confidence sequence"] = mixture_critical(information, alpha)
    bounds["alpha split evenly over 14 looks"] = np.full(len(even), quantile(1.0 - alpha / DESIGN.life_nights))
    found = {}
    for name, bound in bounds.items():
        crossed = scores >= bound
        nights = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, DESIGN.life_nights)
        found[name] = float(crossed.any(axis=1).mean()), float(nights.mean())
    return found


def looks_of(challenger: Challenger, streams: int, seed: int) -> tuple[Floats, Floats]:
    """Scores and information of S streams over 14 nights, [S, 14]; no stream ends early."""
    rng = np.random.default_rng([seed, 99])
    window, scores, information = Window.empty(streams), [], []
    chances, terms = challenger.cells()
    for night in range(DESIGN.life_nights):
        counts = rng.multinomial(night_impressions(traffic(challenger), night), chances, size=streams)
        window.add(np.ones(streams, dtype=bool), 0, counts, terms)
        values, errors = window.estimates()
        scores.append(values / errors)
        information.append(errors**-2)
    return np.column_stack(scores), np.column_stack(information)
