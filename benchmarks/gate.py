"""How often does the gate promote what is no better, how soon what is, and does it see a slice that is harmed?

    python benchmarks/gate.py [--json OUT] [--table OUT] [--streams 10000] [--seed 1]

A stream is 60 nights of a champion that logs and of challengers that come and go as `ltrr.core.sequential` says. An
impression's term of the paired doubly robust difference is (w - 1)(r - q): w is log-normal, r a count of events, q a
constant reward model; heavy tails and all, no normal increments anywhere. A night's sums are drawn as counts of
(weight, reward) cells; where users return, as sums of every single user, who is one cluster over the whole window.

Nothing here promotes but `judge_looks`; where no score reaches the level at which a single look would have spent
everything, it need not be asked (asserted on a sample). Exits 1 where a bar does not hold; twenty minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, log, sqrt
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.core.boundary import critical_values
from ltrr.core.intervals import Estimate, quantile
from ltrr.core.sequential import (
    EXPIRED,
    FUTILE,
    HARMED,
    PROMOTE,
    Design,
    Look,
    SliceLook,
    Trial,
    alpha_for_next,
    conditional_power,
    judge_looks,
    nights_to_verdict,
    traffic_factor,
)

Floats = NDArray[np.float64]

DESIGN = Design()
NIGHTS = 60
VALUE = 0.6
"""Events an impression earns under the champion."""
GRID = np.linspace(-4.0, 4.0, 33)
EVENTS = np.arange(6.0)
STATED_FACTOR = 3.44
"""Of the traffic (3.44 s / .02)^2 / 14 impressions a night at which +2 % is to be promoted."""
SLICES, HARMED_SLICE = 12, -0.10
USERS, KINDS = 600, 20_000
CHECKED = 40


@dataclass(frozen=True)
class Challenger:
    """A policy other than the champion, as cells of (weight, events) of an impression that the champion logged.

    Attributes:
        sigma: standard deviation of the logarithm of its weights.
        gain: of its value over the champion's.
        level: of all rewards over VALUE, as memory fills; q stays VALUE.

    Events are Poisson up to 5. Their rate varies over the cells whether or not there is a gain: it is another policy.
    """

    sigma: float
    gain: float
    level: float = 1.0

    def cells(self) -> tuple[Floats, Floats]:
        """Probability and term of each cell, [C]."""
        likely = np.exp(-(GRID**2) / 2.0)
        likely /= likely.sum()
        weights = np.exp(self.sigma * GRID)
        weights /= likely @ weights
        other, better = np.cos(2.0 * GRID), np.tanh(GRID)
        excess = likely * (weights - 1.0)
        tilt = (self.gain * (1.0 + 0.3 * (likely @ other)) - 0.3 * (excess @ other)) / (excess @ better)
        rates = VALUE * (1.0 + 0.3 * other + tilt * better)
        assert (rates > 0.0).all()
        rates *= self.level / (likely @ rates) * VALUE
        # Poisson, cut at five events and brought back to its mean by the share without any.
        factorials = np.cumprod(np.maximum(EVENTS, 1.0))
        chances = rates[:, None] ** EVENTS * np.exp(-rates[:, None]) / factorials
        chances[:, 1:] *= (rates / (chances @ EVENTS))[:, None]
        chances[:, 0] = 1.0 - chances[:, 1:].sum(axis=1)
        assert (chances >= 0.0).all()
        terms = (weights[:, None] - 1.0) * (EVENTS - VALUE)
        return (likely[:, None] * chances).ravel(), terms.ravel()

    def spread(self) -> float:
        """The s of one impression: standard deviation of its term over the champion's value."""
        chances, terms = self.cells()
        return float(sqrt(chances @ terms**2 - (chances @ terms) ** 2) / VALUE)

    def true_gain(self) -> float:
        """Expected term over the champion's value."""
        chances, terms = self.cells()
        return float(chances @ terms / (self.level * VALUE))


def traffic(challenger: Challenger, factor: float = STATED_FACTOR) -> int:
    """Impressions judged a night."""
    return round((factor * challenger.spread() / DESIGN.effect) ** 2 / DESIGN.life_nights)


def of_night(mean: int, night: int) -> int:
    """Weeks have their days: 30 % more, 30 % fewer."""
    return max(round(mean * (1.0 + 0.3 * np.sin(2.0 * np.pi * night / 7.0))), 1)


@dataclass
class Window:
    """Sums since each stream's challenger began, one cluster an impression, [S, G] for G slices (one: the whole).

    Attributes:
        clusters, totals, squares: number, sum and sum of squares of terms.
    """

    clusters: Floats
    totals: Floats
    squares: Floats

    @classmethod
    def empty(cls, streams: int, groups: int = 1) -> Window:
        """Nothing judged yet."""
        return cls(*(np.zeros((streams, groups)) for _ in range(3)))

    def clear(self, which: NDArray[np.bool_]) -> None:
        """A new challenger begins."""
        for sums in (self.clusters, self.totals, self.squares):
            sums[which] = 0.0

    def add(self, rows: NDArray[np.bool_], group: int, counts: NDArray[np.int64], terms: Floats) -> None:
        """A night's cells."""
        self.clusters[rows, group] += counts.sum(axis=1)
        self.totals[rows, group] += counts @ terms
        self.squares[rows, group] += counts @ terms**2

    def estimates(self) -> tuple[Floats, Floats]:
        """Value and standard error of the whole, [S]."""
        return estimates(self.clusters.sum(axis=1), self.totals.sum(axis=1), self.squares.sum(axis=1))

    def slices(self, stream: int) -> dict[str, SliceLook]:
        """What is known of each slice of a stream."""
        if self.clusters.shape[1] == 1:
            return {}
        values, errors = estimates(self.clusters[stream], self.totals[stream], self.squares[stream])
        pairs = enumerate(zip(values.tolist(), errors.tolist(), strict=True))
        return {f"slice {at}": SliceLook(Estimate(value, error), VALUE) for at, (value, error) in pairs}


def estimates(n: Floats, totals: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """`estimate_ratio` where every cluster is one impression."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = totals / n
        return values, np.sqrt((squares - n * values**2) / (n - 1.0) / n)


@dataclass(frozen=True)
class Scenario:
    """What the streams of one line of the table have in common.

    Attributes:
        name: in words.
        challenger: policy of the i-th challenger on a night of its life, 0-based, and of the calendar.
        impressions: judged a night.
        nights: of a stream.
        may_be_futile: whether hopeless challengers are given up.
        gains: of each slice, relative; empty where there are none.
    """

    name: str
    challenger: Callable[[int, int, int], Challenger]
    impressions: int
    nights: int = NIGHTS
    may_be_futile: bool = True
    gains: tuple[float, ...] = ()


@dataclass
class Outcome:
    """How streams went.

    Attributes:
        promoted: night of the first promotion, 1-based; infinite without.
        crossed: whether the whole would have been promoted, on any night.
        harmed: whether a challenger was refused for a slice.
        challengers: tried until the first promotion.
        scores, information: of the first challenger's looks, [S, life]; NaN once it is gone.
    """

    promoted: Floats
    crossed: NDArray[np.bool_]
    harmed: NDArray[np.bool_]
    challengers: NDArray[np.int64]
    scores: Floats
    information: Floats


@dataclass
class Streams:
    """Many streams side by side; the gate's state of each."""

    size: int
    design: Design
    trials: list[list[Trial]] = field(default_factory=list)

    def __post_init__(self) -> None:
        life = self.design.life_nights
        self.trials = [[] for _ in range(self.size)]
        self.alpha = np.zeros(self.size)
        self.age = np.zeros(self.size, dtype=int)
        self.values, self.errors = np.full((2, self.size, life), np.nan)
        self.is_over = np.zeros(self.size, dtype=bool)
        nothing = np.full((self.size, life), np.nan)
        self.outcome = Outcome(
            np.full(self.size, inf),
            np.zeros(self.size, dtype=bool),
            np.zeros(self.size, dtype=bool),
            np.zeros(self.size, dtype=int),
            nothing.copy(),
            nothing.copy(),
        )

    def begin(self, night: int) -> NDArray[np.bool_]:
        """Give free places to new challengers where the budget holds a share; which streams."""
        begun = np.zeros(self.size, dtype=bool)
        for stream in np.flatnonzero(~self.is_over & (self.alpha == 0.0)):
            self.alpha[stream] = alpha_for_next(self.trials[stream], night, self.design)
            begun[stream] = self.alpha[stream] > 0.0
        self.age[begun] = 0
        self.values[begun] = self.errors[begun] = np.nan
        self.outcome.challengers += begun
        return begun

    @property
    def is_judged(self) -> NDArray[np.bool_]:
        """Which streams have a challenger tonight."""
        return ~self.is_over & (self.alpha > 0.0)

    def look(
        self,
        night: int,
        values: Floats,
        errors: Floats,
        slices: Callable[[int], dict[str, SliceLook]],
        *,
        futility: bool,
    ) -> None:
        """One night's verdicts."""
        judged = np.flatnonzero(self.is_judged)
        self.age[judged] += 1
        age = self.age[judged]
        self.values[judged, age - 1], self.errors[judged, age - 1] = values[judged], errors[judged]
        first = judged[self.outcome.challengers[judged] == 1]
        self.outcome.scores[first, self.age[first] - 1] = values[first] / errors[first]
        self.outcome.information[first, self.age[first] - 1] = errors[first] ** -2
        least = np.array([quantile(1.0 - self.design.spent(self.design.share, k)) for k in range(1, 15)])
        with np.errstate(invalid="ignore"):
            near = (self.values[judged] / self.errors[judged] >= least[: self.design.life_nights]).any(axis=1)
        hopeless = np.zeros(len(judged), dtype=bool)
        if futility:
            hopeless = ~near & (age < self.design.life_nights) & self.is_hopeless(judged, age)
        for place, stream in enumerate(judged):
            outcome = FUTILE if hopeless[place] else EXPIRED if age[place] == self.design.life_nights else ""
            if near[place]:
                outcome = self.ask(int(stream), slices, futility=futility)
            elif stream < CHECKED:
                asked = self.ask(int(stream), slices, futility=futility)
                assert asked == outcome, (asked, outcome)
            if outcome:
                self.end(int(stream), night, outcome)

    def ask(self, stream: int, slices: Callable[[int], dict[str, SliceLook]], *, futility: bool) -> str:
        """What the gate says; empty to go on."""
        pairs = zip(self.values[stream], self.errors[stream], strict=True)
        looks = [Look(at, Estimate(*pair)) for at, pair in enumerate(pairs, start=1)][: self.age[stream]]
        design = self.design if futility else replace(self.design, futile_power=0.0)
        step = judge_looks(looks, float(self.alpha[stream]), VALUE, slices(stream), design)
        self.outcome.crossed[stream] |= step.outcome == PROMOTE or bool(step.slices)
        return step.outcome if step.outcome in {PROMOTE, FUTILE, HARMED, EXPIRED} else ""

    def is_hopeless(self, judged: NDArray[np.int64], age: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`conditional_power` below `futile_power`, for many."""
        newest = self.values[judged, age - 1], self.errors[judged, age - 1]
        gain = self.design.effect * VALUE
        return np.array(
            [
                conditional_power(value / error, error**-2, int(k), gain, self.design.share, self.design)
                < self.design.futile_power
                for value, error, k in zip(*(one.tolist() for one in newest), age, strict=True)
            ],
            dtype=bool,
        )

    def end(self, stream: int, night: int, outcome: str) -> None:
        """The challenger is gone; after a promotion the stream is over, its question answered."""
        self.trials[stream].append(Trial(float(self.alpha[stream]), night, outcome == PROMOTE))
        self.alpha[stream] = 0.0
        self.outcome.harmed[stream] |= outcome == HARMED
        if outcome == PROMOTE:
            self.outcome.promoted[stream] = night + 1
            self.is_over[stream] = True


def run(scenario: Scenario, streams: int, seed: int, design: Design = DESIGN) -> Outcome:
    """Streams of impressions that are users of their own."""
    rng = np.random.default_rng([seed, sum(map(ord, scenario.name))])
    state, groups = Streams(streams, design), max(len(scenario.gains), 1)
    window = Window.empty(streams, groups)
    for night in range(scenario.nights):
        window.clear(state.begin(night))
        judged = state.is_judged
        impressions = of_night(scenario.impressions, night)
        # Streams whose challengers are at the same point of their lives draw from the same cells.
        places = state.outcome.challengers * 1_000 + state.age
        for place in np.unique(places[judged]):
            rows = judged & (places == place)
            challenger = scenario.challenger(int(place // 1_000) - 1, int(place % 1_000), night)
            for group in range(groups):
                slice_gain = scenario.gains[group] if scenario.gains else challenger.gain
                chances, terms = replace(challenger, gain=slice_gain).cells()
                counts = rng.multinomial(impressions // groups, chances, size=int(rows.sum()))
                window.add(rows, group, counts, terms)
        values, errors = window.estimates()
        state.look(night, values, errors, window.slices, futility=scenario.may_be_futile)
    return state.outcome


def run_users(streams: int, seed: int, *, by_impression: bool) -> Outcome:
    """Streams whose 600 users return every other night for 60 nights, each with a taste for each challenger.

    The taste, skewed and zero on average, adds to all of a user's terms; over two weeks it weighs as much as chance.
    With by_impression the gate is told, wrongly, that impressions are clusters.
    """
    rng = np.random.default_rng([seed, 77])
    outcomes = [
        _run_users(min(500, streams - start), rng, by_impression=by_impression) for start in range(0, streams, 500)
    ]
    names = ("promoted", "crossed", "harmed", "challengers", "scores", "information")
    return Outcome(*(np.concatenate([getattr(one, name) for one in outcomes]) for name in names))


def _run_users(streams: int, rng: np.random.Generator, *, by_impression: bool) -> Outcome:
    chances, terms = Challenger(1.1, 0.0).cells()
    sizes = np.where(rng.random(KINDS) < 0.5, 0, rng.integers(1, 6, KINDS))
    drawn = rng.choice(terms, p=chances, size=int(sizes.sum()))
    owners = np.repeat(np.arange(KINDS), sizes)
    # A user's night: impressions, sum and sum of squares of their terms. These kinds are the world: no gain, exactly.
    drawn -= drawn.mean()
    kinds = np.column_stack([sizes, np.bincount(owners, drawn, KINDS), np.bincount(owners, drawn**2, KINDS)])
    kinds = kinds.astype(np.float32)
    taste_spread = float(drawn.std()) / sqrt(DESIGN.life_nights * sizes.mean())
    state = Streams(streams, DESIGN)
    n, total = np.zeros((2, streams, USERS), dtype=np.float32)
    tastes, squares = np.zeros((streams, USERS), dtype=np.float32), np.zeros(streams)
    for night in range(NIGHTS):
        begun = state.begin(night)
        n[begun], total[begun], squares[begun] = 0.0, 0.0, 0.0
        tastes[begun] = (rng.standard_exponential((int(begun.sum()), USERS), dtype=np.float32) - 1.0) * taste_spread
        rows = state.is_judged
        kind = kinds[rng.integers(0, KINDS, (int(rows.sum()), USERS))]
        taste = tastes[rows]
        n[rows] += kind[..., 0]
        total[rows] += kind[..., 1] + taste * kind[..., 0]
        squares[rows] += (kind[..., 2] + 2.0 * taste * kind[..., 1] + taste**2 * kind[..., 0]).sum(axis=1)
        all_n = n.sum(axis=1, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = total.sum(axis=1, dtype=np.float64) / all_n
            if by_impression:
                errors = np.sqrt((squares - all_n * values**2) / (all_n - 1.0) / all_n)
            else:
                residuals = total - values[:, None].astype(np.float32) * n
                errors = np.sqrt(np.einsum("su,su->s", residuals, residuals) * USERS / (USERS - 1.0)) / all_n
        state.look(night, values, errors, lambda _: {}, futility=True)
    return state.outcome


def mixture_critical(information: Floats, alpha: float) -> Floats:
    """Z of a one-sided normal-mixture confidence sequence, tightest about night 10 (Howard et al. 2021, eq. 14)."""
    v = information / information[..., 9:10]
    rho = 1.0 / (2.0 * log(1.0 / (2.0 * alpha)) + log(1.0 + 2.0 * log(1.0 / (2.0 * alpha))))
    return np.sqrt(2.0 * (v + rho) * np.log(np.sqrt((v + rho) / (4.0 * alpha**2 * rho)) + 1.0) / v)


def compare_bounds(scores: Floats, information: Floats, alpha: float) -> dict[str, tuple[float, float]]:
    """Share promoted within a life, and mean nights of a life, for each bound on the same streams."""
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
    """Scores and information of 14 nights whatever they say, [S, 14]."""
    rng = np.random.default_rng([seed, 99])
    window, scores, information = Window.empty(streams), [], []
    chances, terms = challenger.cells()
    for night in range(DESIGN.life_nights):
        counts = rng.multinomial(of_night(traffic(challenger), night), chances, size=streams)
        window.add(np.ones(streams, dtype=bool), 0, counts, terms)
        values, errors = window.estimates()
        scores.append(values / errors)
        information.append(errors**-2)
    return np.column_stack(scores), np.column_stack(information)


def scenarios() -> dict[str, Scenario]:
    """Nothing better anywhere: every promotion is false."""
    sigmas = (1.1, 0.8, 1.5)
    impressions = traffic(Challenger(1.1, DESIGN.effect))

    def equal(which: int, _age: int, _night: int) -> Challenger:
        return Challenger(sigmas[which % 3], 0.0)

    def worse(which: int, _age: int, _night: int) -> Challenger:
        return Challenger(sigmas[which % 3], -0.01)

    def filling(which: int, _age: int, night: int) -> Challenger:
        # Memory fills: everybody earns more, and q, fixed on the first night, is ever further off.
        return Challenger(sigmas[which % 3], 0.0, level=0.7 + 0.6 * night / NIGHTS)

    def swinging(which: int, age: int, _night: int) -> Challenger:
        # Memory first hurts the challenger, then helps it as much: never better over the nights it was judged on.
        return Challenger(sigmas[which % 3], -0.033 if age < DESIGN.life_nights // 2 else 0.033)

    return {
        "equal": Scenario("different policies of equal value, hopeless ones given up", equal, impressions),
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
    """Streams with any promotion, by scenario."""
    outcomes = {scenario.name: run(scenario, streams, seed) for scenario in scenarios().values()}
    outcomes["returning users, judged by user"] = run_users(streams, seed, by_impression=False)
    found = {name: false_row(outcome) for name, outcome in outcomes.items()}
    found["(returning users, judged by impression: wrong)"] = false_row(
        run_users(min(streams, 2_000), seed, by_impression=True)
    )
    return found


def false_row(outcome: Outcome) -> dict[str, float]:
    """One line."""
    return {
        "streams": len(outcome.promoted),
        "promoted": float(np.isfinite(outcome.promoted).mean()),
        "challengers": float(outcome.challengers.mean()),
    }


def measure_gains(streams: int, seed: int) -> list[dict[str, Any]]:
    """One challenger that is truly better, at the traffic stated."""
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
    """A challenger that gains on the whole, with and without one slice of twelve that loses 10 %."""
    rows = []
    impressions = traffic(Challenger(1.1, DESIGN.effect))
    for waits, gain in ((True, 0.02), (True, 0.05), (True, 0.15), (False, 0.02), (False, 0.05)):
        for harmed in (HARMED_SLICE, gain):
            others = (gain * SLICES - harmed) / (SLICES - 1)
            gains = (harmed, *[others] * (SLICES - 1))
            name = f"{gain:+.0%} on the whole, one slice {harmed:+.0%}"
            challenger = Challenger(1.1, gain)
            outcome = run(
                Scenario(name, lambda *_, c=challenger: c, impressions, DESIGN.life_nights, gains=gains),
                streams,
                seed,
                replace(DESIGN, waits_for_slices=waits),
            )
            promoted = np.isfinite(outcome.promoted)
            rows.append(
                {
                    "waits": waits,
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


def bars_of(result: Mapping[str, Any]) -> dict[str, bool]:
    """Each bar and whether it holds."""
    bars: dict[str, bool] = {
        f"at most 5 % of streams promote falsely: {name}": row["promoted"] <= DESIGN.alpha
        for name, row in result["false"].items()
        if not name.startswith("(")
    }
    for row in result["gains"]:
        if row["gain"] == DESIGN.effect:
            bars[f"+2 % promoted within 14 nights in at least 80 %, s {row['s']:.1f}"] = row["promoted"] >= 0.8
    for row in result["slices"]:
        if row["waits"] and row["slice"] == HARMED_SLICE:
            whole = f"{row['gain']:+.0%} on the whole"
            bars[f"a slice harmed by 10 % refused in at least 90 % of those that would pass, {whole}"] = (
                row["refused_of_crossed"] >= 0.9
            )
    return bars


def tables(result: Mapping[str, Any]) -> str:
    """The tables of docs/gate.md."""
    lines = ["| nothing is better | streams | falsely promoted | challengers a stream |", "|---|---|---|---|"]
    for name, row in result["false"].items():
        lines.append(f"| {name} | {row['streams']:,} | {row['promoted']:.2%} | {row['challengers']:.1f} |")
    lines += ["", "| true gain | s | impressions a night | promoted within 14 nights | median night | nights told |"]
    lines += ["|---|---|---|---|---|---|"]
    for row in result["gains"]:
        lines.append(
            f"| {row['gain']:+.0%} | {row['s']:.2f} | {row['impressions']:,} | {row['promoted']:.1%} | "
            f"{row['median_night']:.0f} | {row['told']:g} |"
        )
    lines += ["", "| slices | whole | one of twelve | whole would pass | promoted | refused of those that would pass |"]
    lines[-1] += " median night |"
    lines += ["|---|---|---|---|---|---|---|"]
    for row in result["slices"]:
        asked = "waited for" if row["waits"] else "as they are"
        lines.append(
            f"| {asked} | {row['gain']:+.0%} | {row['slice']:+.0%} | {row['crossed']:.1%} | {row['promoted']:.1%} | "
            f"{row['refused_of_crossed']:.1%} | {row['median_night']:.0f} |"
        )
    lines += [
        "",
        "| bound, alpha .01 over 14 nights | falsely promoted | +2 % promoted | mean nights |",
        "|---|---|---|---|",
    ]
    for name, (promoted, nights) in result["bounds"]["better"].items():
        lines.append(f"| {name} | {result['bounds']['equal'][name][0]:.2%} | {promoted:.1%} | {nights:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run every scenario, print the tables, and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    began = perf_counter()
    result: dict[str, Any] = {
        "streams": told.streams,
        "seed": told.seed,
        "factors": {alpha: traffic_factor(DESIGN, alpha, 0.8) for alpha in (DESIGN.share, DESIGN.alpha)},
        "false": measure_false(told.streams, told.seed),
        "gains": measure_gains(told.streams, told.seed),
        "slices": measure_slices(told.streams, told.seed),
        "bounds": {
            name: compare_bounds(*looks_of(Challenger(1.1, gain), told.streams, told.seed), DESIGN.share)
            for name, gain in (("equal", 0.0), ("better", DESIGN.effect))
        },
    }
    result["bars"] = bars_of(result)
    print(tables(result))
    print(f"traffic factors at 80 %: {result['factors']}")
    for name, holds in result["bars"].items():
        print(f"{'holds' if holds else 'MISSED'}: {name}")
    if told.json:
        told.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if told.table:
        told.table.write_text(tables(result), encoding="utf-8")
    missed = [name for name, holds in result["bars"].items() if not holds]
    print(
        f"{len(result['bars']) - len(missed)} of {len(result['bars'])} bars hold, {told.streams} streams each, "
        f"{perf_counter() - began:.0f} s; not: {'; '.join(missed) or 'none'}"
    )
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
