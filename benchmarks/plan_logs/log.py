"""Simulated logs of a world: searches, draws, pages and clicks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.plan_logs.pages import Pages
from benchmarks.plan_logs.policies import DrawPolicy
from ltrr.arrays import Bools, Floats, Longs


@dataclass(frozen=True, eq=False)
class Log:
    """Log of N impressions.

    Attributes:
        queries, plans: Query and plan of each impression, [N].
        drawn: Strategy of each draw, [N, D]; [N, 0] where a plan was chosen in one step.
        shown: Whether each candidate was on the page, [N, C].
        clicks, found: Clicks, and clicks over examination, of each candidate, [N, C].
    """

    queries: Longs
    plans: Longs
    drawn: Longs
    shown: Bools
    clicks: Floats
    found: Floats

    def rewards(self, kind: str) -> Floats:
        """Reward of each candidate, [N, C]; `kind` is page or found."""
        return self.clicks if kind == "page" else self.found

    def by_draw(self, pages: Pages) -> dict[str, Floats]:
        """Kind of reward -> reward of the entities that each draw added to the union, [N, D]."""
        n, draws = self.drawn.shape
        rows = np.arange(n)
        # Number of the draw that drew each block of each strategy; `draws` for depth 0 and for
        # blocks that were not drawn.
        came = np.full((n, len(pages.space.strategies), draws + 1), draws, dtype=np.int8)
        made = np.zeros((n, len(pages.space.strategies)), dtype=np.int64)
        for draw in range(draws):
            strategy = self.drawn[:, draw]
            made[rows, strategy] += 1
            came[rows, strategy, made[rows, strategy]] = draw
        # Only clicked cells have a reward, and they are few.
        row, candidate = np.nonzero(self.clicks)
        places = pages.places[self.queries[row], candidate]
        first = came[row[:, None], np.arange(places.shape[1]), places].min(axis=1)
        earned = {kind: np.zeros((n, draws)) for kind in ("page", "found")}
        for kind, by_draw in earned.items():
            np.add.at(by_draw, (row, first), self.rewards(kind)[row, candidate])
        return earned


def simulate_draw_log(pages: Pages, policy: DrawPolicy, n: int, rng: np.random.Generator) -> Log:
    """Simulate N impressions whose plans are drawn block by block."""
    queries = _draw_queries(pages, n, rng)
    propensities, rows = policy.steps(queries), np.arange(n)
    depths = np.zeros((n, len(pages.space.strategies)), dtype=np.int64)
    drawn = np.zeros((n, pages.space.budget), dtype=np.int64)
    for draw in range(pages.space.budget):
        cumulative = propensities(depths).cumsum(axis=1)
        strategy = (rng.random(n)[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
        drawn[:, draw] = strategy
        depths[rows, strategy] += 1
    base = pages.space.budget + 1
    digits = base ** np.arange(depths.shape[1])
    number = np.zeros(base ** depths.shape[1], dtype=np.int64)
    number[pages.space.plans.astype(np.int64) @ digits] = np.arange(len(pages.space))
    return _simulate_clicks(pages, queries, number[depths @ digits], drawn, rng)


def simulate_plan_log(pages: Pages, plan_propensities: Floats, n: int, rng: np.random.Generator) -> Log:
    """Simulate N impressions whose plans are chosen in one step by P(plan), [Q, P]."""
    queries = _draw_queries(pages, n, rng)
    cumulative = plan_propensities.cumsum(axis=1)[queries]
    plans = (rng.random(n)[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
    return _simulate_clicks(pages, queries, plans, np.zeros((n, 0), dtype=np.int64), rng)


def _draw_queries(pages: Pages, n: int, rng: np.random.Generator) -> Longs:
    return np.asarray(rng.choice(len(pages.traffic), n, p=pages.traffic))


def _simulate_clicks(pages: Pages, queries: Longs, plans: Longs, drawn: Longs, rng: np.random.Generator) -> Log:
    page = pages.shown[queries, plans].astype(np.int64)
    chance = np.take_along_axis(pages.attraction[queries], page, axis=1) * pages.examination
    clicked = (rng.random(page.shape) < chance).astype(np.float64)
    shown, clicks, found = (np.zeros((len(queries), pages.attraction.shape[1])) for _ in range(3))
    for table, values in ((shown, np.ones(page.shape)), (clicks, clicked), (found, clicked / pages.examination)):
        np.put_along_axis(table, page, values, axis=1)
    # The last column stands for empty positions.
    return Log(queries, plans, drawn, shown[:, :-1] > 0.0, clicks[:, :-1], found[:, :-1])
