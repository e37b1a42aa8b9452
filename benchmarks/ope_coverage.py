"""Do intervals cover what they promise, and does the verdict warn where they do not?

    python benchmarks/ope_coverage.py [--json OUT] [--table OUT] [--repetitions 10000] [--seed 1]

A cell is a world of known truth: how many decisions, how often they are rewarded, how well the log overlaps with the
policy judged, how many decisions a user makes. A log is simulated as counts of kinds of users (a kind is what one user
adds to every sum): a multinomial draw instead of a hundred thousand rows, and exactly the same law. Each log is judged
by every method; counted are the logs whose interval lies below the truth and above it, and what `judge_footing` said.

R is counted over users (the same as over decisions where a user makes one). A cell's R is the median of its logs, its
verdict the most frequent. Exits 1 where a bar does not hold; two minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from math import log, nan, sqrt
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.core.intervals import bernstein_ratio, bounds_by_inversion, estimate_ratio, quantile
from ltrr.core.moments import ClusteredSums
from ltrr.evaluation.settings import EvaluationSettings
from ltrr.evaluation.verdict import TRUST, Footing, judge_footing

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
Z = quantile((1.0 + CONFIDENCE) / 2.0)
SETTINGS = EvaluationSettings()
OVERLAPS: Mapping[str, float] = {"good": 0.5, "fair": 1.0, "poor": 1.6}
"""Standard deviation of the logarithm of the weights: effective sample of about 78, 37 and 8 % of the decisions."""
GRID = np.linspace(-4.0, 4.0, 33)
"""Standard normal scores of a decision; its weight is exp(sigma x score), normalised: at most 4 sigma out."""
KINDS = 20_000
"""Kinds of users where a user makes several decisions: drawn once for each cell, then *they* are the world."""
TERMS = ("wr", "w", "n")
PAIRS = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
WIDTH_LOGS, REPLICATES = 40, 200


@dataclass(frozen=True)
class Cell:
    """One world.

    Attributes:
        decisions: in expectation.
        rate: share of logged decisions that are rewarded.
        overlap: key of OVERLAPS.
        per_user: decisions of a user on average; 1 to 2 x that less 1, all equally likely.
    """

    decisions: int
    rate: float
    overlap: str
    per_user: int

    @property
    def users(self) -> int:
        """In each log."""
        return max(self.decisions // self.per_user, 2)


@dataclass(frozen=True)
class World:
    """Kinds of users with their probabilities: all that a log is drawn from.

    Attributes:
        probabilities: of each kind, [J].
        sums: what a user of each kind adds to wr, w, n, [J, 3].
        squares: what a user of each kind adds to the decisions' w^2 and (wr)^2, [J, 2].
        widest: how far apart w (r - value) of two users can lie.
    """

    probabilities: Floats
    sums: Floats
    squares: Floats
    widest: float

    @property
    def truth(self) -> float:
        """The value of the policy judged, exactly."""
        reward, weight, decisions = self.probabilities @ self.sums
        assert abs(weight / decisions - 1.0) < 1e-9
        return float(reward / decisions)

    def features(self) -> Floats:
        """Everything that is summed over users, [J, 11]: terms, squares, products of terms."""
        products = [self.sums[:, one] * self.sums[:, other] for one, other in PAIRS]
        return np.column_stack([self.sums, self.squares, *products])


def world_of(cell: Cell, rng: np.random.Generator) -> World:
    """Users of one decision are all kinds there are; others are a large sample, which then is the world."""
    sigma = OVERLAPS[cell.overlap]
    if cell.per_user == 1:
        likely = np.exp(-(GRID**2) / 2.0)
        scores, rewards = np.repeat(GRID, 2), np.tile([0.0, 1.0], len(GRID))
        rate = rewarded(cell.rate, scores)
        probabilities = np.repeat(likely / likely.sum(), 2) * np.where(rewards == 1.0, rate, 1.0 - rate)
        owners, sizes = np.arange(len(scores)), np.ones(len(scores))
    else:
        sizes = rng.integers(1, 2 * cell.per_user, KINDS)
        owners = np.repeat(np.arange(KINDS), sizes)
        # Half of what a decision is like, and how keen they are, belongs to the user.
        scores = sqrt(0.5) * rng.normal(size=KINDS)[owners] + sqrt(0.5) * rng.normal(size=len(owners))
        scores = np.clip(scores, GRID[0], GRID[-1])
        keen = rng.uniform(0.7, 1.3, KINDS)[owners]
        rewards = (rng.random(len(owners)) < keen * rewarded(cell.rate, scores)).astype(float)
        probabilities = np.full(KINDS, 1.0 / KINDS)
    weights = np.exp(sigma * scores)
    weights *= (probabilities @ sizes) / (probabilities @ np.bincount(owners, weights))
    largest = float(weights.max())
    by_user = [np.bincount(owners, terms) for terms in (weights * rewards, weights, np.ones(len(owners)))]
    squares = [np.bincount(owners, terms**2) for terms in (weights, weights * rewards)]
    return World(probabilities, np.column_stack(by_user), np.column_stack(squares), largest * (2 * cell.per_user - 1))


def rewarded(rate: float, scores: Floats) -> Floats:
    """Chance of a reward: the policy judged prefers what is somewhat better; never above one."""
    return rate * (1.0 + 0.5 * np.tanh(scores))


def logs_of(world: World, users: int, repetitions: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Counts of each kind of user in each log, [chunk, J]."""
    kinds = len(world.probabilities)
    for start in range(0, repetitions, 250):
        chunk = min(250, repetitions - start)
        if kinds < KINDS:
            yield rng.multinomial(users, world.probabilities, size=chunk)
        else:
            drawn = rng.integers(0, kinds, (chunk, users)) + kinds * np.arange(chunk)[:, None]
            yield np.bincount(drawn.ravel(), minlength=chunk * kinds).reshape(chunk, kinds)


@dataclass(frozen=True)
class Logs:
    """Sums of many logs, one row each, [L, 11]; see World.features."""

    users: int
    sums: Floats

    def total(self, term: str) -> Floats:
        """Sum of a term."""
        return self.sums[:, TERMS.index(term)]

    def product(self, one: str, other: str) -> Floats:
        """Sum over users of the product of two terms."""
        pair = tuple(sorted((TERMS.index(one), TERMS.index(other))))
        return self.sums[:, 5 + PAIRS.index(pair)]

    def mean(self, term: str) -> Floats:
        """Of a user."""
        return self.total(term) / self.users

    def covariance(self, one: str, other: str) -> Floats:
        """Of two terms of a user."""
        return (self.product(one, other) - self.total(one) * self.total(other) / self.users) / (self.users - 1)

    def moments(self, numerator: str, denominator: str) -> tuple[Floats, ...]:
        """What `bounds_by_inversion` wants of a ratio."""
        return (
            self.mean(numerator),
            self.mean(denominator),
            self.covariance(numerator, numerator),
            self.covariance(numerator, denominator),
            self.covariance(denominator, denominator),
        )

    def footings(self) -> Iterator[Footing]:
        """What each log's estimate rests on."""
        low, high = delta(self, "w", "n")
        errors = (high - low) / 2.0 / Z
        by_user = self.product("wr", "wr")
        for row, rewards_squared, error in zip(self.sums.tolist(), by_user, errors.tolist(), strict=True):
            wr, w, n, w_squared, wr_squared = row[:5]
            yield Footing(
                evidence=wr**2 / wr_squared if wr else nan,
                effective_sample_size=w**2 / w_squared,
                users=self.users,
                impressions=round(n),
                mean_weight=w / n,
                unsupported=0.0,
                fallback_share=0.0,
                is_defined=True,
                evidence_of_users=wr**2 / rewards_squared if wr else nan,
                mean_weight_error=error,
            )


def delta(logs: Logs, numerator: str, denominator: str) -> tuple[Floats, Floats]:
    """The method of `estimate_ratio`."""
    value = logs.total(numerator) / logs.total(denominator)
    squares = (
        logs.product(numerator, numerator)
        - 2.0 * value * logs.product(numerator, denominator)
        + value**2 * logs.product(denominator, denominator)
    )
    error = np.sqrt(np.maximum(squares, 0.0) * logs.users / (logs.users - 1)) / logs.total(denominator)
    return value - Z * error, value + Z * error


def delta_dr(logs: Logs, q_hat: float) -> tuple[Floats, Floats]:
    """Doubly robust with a constant reward model: q_hat + sum(w (r - q_hat)) / n, by user."""
    residual = logs.total("wr") - q_hat * logs.total("w")
    value = q_hat + residual / logs.total("n")
    # a = wr - q w + q n has the residual a - value n = wr - q w - (value - q) n.
    slope = value - q_hat
    squares = (
        logs.product("wr", "wr")
        + q_hat**2 * logs.product("w", "w")
        + slope**2 * logs.product("n", "n")
        - 2.0 * q_hat * logs.product("wr", "w")
        - 2.0 * slope * (logs.product("wr", "n") - q_hat * logs.product("w", "n"))
    )
    error = np.sqrt(np.maximum(squares, 0.0) * logs.users / (logs.users - 1)) / logs.total("n")
    return value - Z * error, value + Z * error


def logit(logs: Logs, numerator: str, denominator: str) -> tuple[Floats, Floats]:
    """The method of `Estimate.within`; a log without rewards keeps the delta method's interval."""
    low, high = delta(logs, numerator, denominator)
    value, error = (low + high) / 2.0, (high - low) / 2.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        half = error / (value * (1.0 - value))
        odds = value / (1.0 - value)
        ends = [1.0 / (1.0 + np.exp(side * half) / odds) for side in (1.0, -1.0)]
    inside = (value > 0.0) & (value < 1.0) & (error > 0.0)
    return np.where(inside, ends[0], low), np.where(inside, ends[1], high)


def bernstein(logs: Logs, numerator: str, denominator: str, widest: float) -> tuple[Floats, Floats]:
    """The method of `bernstein_ratio`."""
    length = log(4.0 / (1.0 - CONFIDENCE))
    return bounds_by_inversion(
        *logs.moments(numerator, denominator),
        slope=sqrt(2.0 * length / logs.users),
        offset=7.0 * widest * length / (3.0 * (logs.users - 1)),
        rewards=(0.0, 1.0),
    )


def cressie_read(logs: Logs) -> tuple[Floats, Floats]:
    """Reference: Cressie-Read likelihood of power -2 over users, given that weights average one.

    Karampatziakis et al., "Empirical Likelihood for Contextual Bandits", NeurIPS 2020. Profiled over the constraint on
    the weights it is Fieller's interval of what wr and n leave unexplained by w - n.
    """
    wr, n = logs.mean("wr"), logs.mean("n")
    excess = logs.mean("w") - n
    c = logs.covariance
    spread = c("w", "w") - 2.0 * c("w", "n") + c("n", "n")
    wr_excess, n_excess = c("wr", "w") - c("wr", "n"), c("w", "n") - c("n", "n")
    return bounds_by_inversion(
        wr - wr_excess / spread * excess,
        n - n_excess / spread * excess,
        c("wr", "wr") - wr_excess**2 / spread,
        c("wr", "n") - wr_excess * n_excess / spread,
        c("n", "n") - n_excess**2 / spread,
        slope=Z / sqrt(logs.users),
        offset=0.0,
        rewards=(0.0, 1.0),
    )


def bootstrap_widths(world: World, counts: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Widths of Poisson bootstrap intervals by user of snips, percentiles of 200 replicates; one log a row."""
    users = int(counts[0].sum())
    copies = rng.poisson(1.0, (REPLICATES, users)).astype(np.float32)
    widths = []
    for row in counts:
        sums = copies @ np.repeat(world.sums[:, :2], row, axis=0).astype(np.float32)
        with np.errstate(invalid="ignore"):
            low, high = np.nanquantile(sums[:, 0] / sums[:, 1], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        widths.append(high - low)
    return np.array(widths)


def judge(cell: Cell, repetitions: int, seed: int) -> dict[str, Any]:
    """Coverage, widths and verdicts of one cell."""
    rng = np.random.default_rng(
        [seed, cell.decisions, int(cell.rate * 1e4), list(OVERLAPS).index(cell.overlap), cell.per_user]
    )
    world = world_of(cell, rng)
    features, parts, first = world.features(), [], None
    for counts in logs_of(world, cell.users, repetitions, rng):
        first = counts[:WIDTH_LOGS] if first is None else first
        parts.append(counts.astype(np.float64) @ features)
    logs = Logs(cell.users, np.vstack(parts))
    assert first is not None
    check_against_library(world, first[0], logs)
    intervals = {
        "delta snips": delta(logs, "wr", "w"),
        "delta ips": delta(logs, "wr", "n"),
        "delta dr": delta_dr(logs, cell.rate),
        "logit snips": logit(logs, "wr", "w"),
        "bernstein snips": bernstein(logs, "wr", "w", world.widest),
        "bernstein ips": bernstein(logs, "wr", "n", world.widest),
        "cressie-read": cressie_read(logs),
    }
    footings = list(logs.footings())
    verdicts = np.array([judge_footing(footing, SETTINGS)[0] for footing in footings])
    widths = {name: high - low for name, (low, high) in intervals.items()}
    reference = widths["delta snips"].mean()
    missed = {name: (high < world.truth, low > world.truth) for name, (low, high) in intervals.items()}
    bootstrap = bootstrap_widths(world, first, rng) / widths["delta snips"][: len(first)].mean()
    return asdict(cell) | {
        "users": cell.users,
        "truth": world.truth,
        "evidence": float(np.nanmedian([footing.evidence for footing in footings])),
        "evidence_of_users": float(np.median(logs.total("wr") ** 2 / np.maximum(logs.product("wr", "wr"), 1e-12))),
        "effective_sample_size": float(np.median([footing.effective_sample_size for footing in footings])),
        "verdict": Counter(verdicts.tolist()).most_common(1)[0][0],
        "trusted": float((verdicts == TRUST).mean()),
        "methods": {
            name: {
                "coverage": float(1.0 - (below | above).mean()),
                "below": float(below.mean()),
                "above": float(above.mean()),
                "trusted_and_missed": float(((below | above) & (verdicts == TRUST)).mean()),
                "width": float(widths[name].mean() / reference) if reference else float("nan"),
            }
            for name, (below, above) in missed.items()
        },
        "bootstrap_width": float(bootstrap.mean()),
    }


def check_against_library(world: World, counts: NDArray[np.int64], logs: Logs) -> None:
    """What is measured here is what the library does."""
    users = np.repeat(world.sums, counts, axis=0)
    if len(users) > 10_000:
        return
    sums = ClusteredSums.of(
        {name: users[:, at].tolist() for at, name in enumerate(TERMS)}, np.arange(len(users)).astype(str).tolist()
    )
    for denominator in ("w", "n"):
        estimate, (low, high) = estimate_ratio(sums, "wr", denominator), delta(logs, "wr", denominator)
        np.testing.assert_allclose((estimate.low(0.975), estimate.high(0.975)), (low[0], high[0]), atol=1e-5)
        exact = bernstein_ratio(sums, "wr", denominator, widest=world.widest, confidence=CONFIDENCE)
        mine = bernstein(logs, "wr", denominator, world.widest)
        np.testing.assert_allclose(exact, (mine[0][0], mine[1][0]), atol=1e-5)


def cells() -> list[Cell]:
    """All of them."""
    return [Cell(*told) for told in product((500, 2_000, 10_000, 100_000), (0.005, 0.05, 0.5), OVERLAPS, (1, 5, 20))]


def bars(rows: Sequence[Mapping[str, Any]], repetitions: int) -> dict[str, list[str]]:
    """Each bar with the cells that do not reach it."""
    chance = 3.0 * sqrt(CONFIDENCE * (1.0 - CONFIDENCE) / repetitions)
    found: dict[str, list[str]] = {}
    for method in ("delta snips", "delta ips", "delta dr", "logit snips"):
        name = f"{method} covers 93.5-96.5 % where R >= 100"
        found[name] = [at(row, method) for row in rows if row["evidence_of_users"] >= 100 and not is_good(row, method)]
        found[f"{method} covers at least 92 % where 50 <= R < 100"] = [
            at(row, method)
            for row in rows
            if 50 <= row["evidence_of_users"] < 100 and row["methods"][method]["coverage"] < 0.92
        ]
    for method in ("bernstein snips", "bernstein ips"):
        found[f"{method} covers at least 95 % less three Monte-Carlo errors"] = [
            at(row, method) for row in rows if row["methods"][method]["coverage"] < CONFIDENCE - chance
        ]
    found["a cell where a method of ours covers less than 93.5 % is not trusted"] = [
        at(row, method)
        for row in rows
        for method in row["methods"]
        if method != "cressie-read" and row["verdict"] == TRUST and row["methods"][method]["coverage"] < 0.935
    ]
    return found


def is_good(row: Mapping[str, Any], method: str) -> bool:
    """Whether coverage is where 95 % should be."""
    return bool(0.935 <= row["methods"][method]["coverage"] <= 0.965)


def at(row: Mapping[str, Any], method: str) -> str:
    """A cell in words."""
    return (
        f"{row['decisions']} decisions, {row['rate']:g} rewarded, {row['overlap']}, {row['per_user']} a user: "
        f"R {row['evidence_of_users']:.0f}, {method} {row['methods'][method]['coverage']:.1%}, {row['verdict']}"
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """All cells in Markdown: coverage in %, with the misses below/above the truth; widths relative to delta snips."""
    titles = (
        *("decisions", "rewarded", "overlap", "a user", "ESS", "R by row", "R", "verdict", "trusted"),
        *("delta snips", "delta ips", "delta dr", "logit snips", "Bernstein", "Cressie-Read"),
        *("width: Bernstein", "Cressie-Read", "bootstrap"),
    )
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for row in rows:
        methods = {
            name: f"{100 * method['coverage']:.1f} ({100 * method['below']:.1f}/{100 * method['above']:.1f})"
            for name, method in row["methods"].items()
        }
        values = (
            f"{row['decisions']:,}",
            f"{row['rate']:.1%}",
            row["overlap"],
            row["per_user"],
            f"{row['effective_sample_size']:,.0f}",
            f"{row['evidence']:,.0f}",
            f"{row['evidence_of_users']:,.0f}",
            row["verdict"],
            f"{row['trusted']:.0%}",
            methods["delta snips"],
            *(methods[name].split()[0] for name in ("delta ips", "delta dr")),
            methods["logit snips"],
            *(methods[name].split()[0] for name in ("bernstein snips", "cressie-read")),
            f"{row['methods']['bernstein snips']['width']:.1f}",
            f"{row['methods']['cressie-read']['width']:.2f}",
            f"{row['bootstrap_width']:.2f}",
        )
        lines.append(f"| {' | '.join(map(str, values))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Judge every cell, print it, and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--repetitions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    began, rows = perf_counter(), []
    for cell in cells():
        row = judge(cell, told.repetitions, told.seed)
        rows.append(row)
        covers = " ".join(f"{name} {method['coverage']:.3f}" for name, method in row["methods"].items())
        print(
            f"{cell.decisions:6d} {cell.rate:5g} {cell.overlap} {cell.per_user:2d} R {row['evidence_of_users']:8.1f} "
            f"{row['verdict']:10s} {covers}",
            flush=True,
        )
    found = bars(rows, told.repetitions)
    for name, misses in found.items():
        print(f"{'holds' if not misses else f'{len(misses)} cells miss'}: {name}")
        for miss in misses:
            print(f"    {miss}")
    if told.json:
        result = {"repetitions": told.repetitions, "seed": told.seed, "cells": rows, "bars": found}
        told.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if told.table:
        told.table.write_text(table(rows), encoding="utf-8")
    holding = sum(not misses for misses in found.values())
    print(
        f"{holding} of {len(found)} bars hold over {len(rows)} cells x {told.repetitions} logs in "
        f"{perf_counter() - began:.0f} s; not: {'; '.join(name for name, misses in found.items() if misses) or 'none'}"
    )
    return int(holding < len(found))


if __name__ == "__main__":
    sys.exit(main())
