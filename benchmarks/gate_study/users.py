"""Streams with returning users; a user is one cluster over the whole window."""

from __future__ import annotations

from math import sqrt

import numpy as np

from benchmarks.gate_study.challengers import DESIGN, NIGHTS, Challenger
from benchmarks.gate_study.streams import Outcome, Streams

USERS, KINDS = 600, 20_000


def run_users(streams: int, seed: int, *, by_impression: bool) -> Outcome:
    """Simulate streams of 60 nights whose 600 users return every other night.

    Each user has a preference for each challenger, which is added to all terms of the user. It is
    skewed and zero on average. Over two weeks its spread equals that of the random terms. With
    `by_impression` the gate wrongly treats impressions as clusters.
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
    # A night of a user: number of impressions, sum and sum of squares of their terms. These kinds
    # define the world, and its gain is exactly zero.
    drawn -= drawn.mean()
    kinds = np.column_stack([sizes, np.bincount(owners, drawn, KINDS), np.bincount(owners, drawn**2, KINDS)])
    kinds = kinds.astype(np.float32)
    preference_spread = float(drawn.std()) / sqrt(DESIGN.life_nights * sizes.mean())
    state = Streams(streams, DESIGN)
    n, total = np.zeros((2, streams, USERS), dtype=np.float32)
    preferences, squares = np.zeros((streams, USERS), dtype=np.float32), np.zeros(streams)
    for night in range(NIGHTS):
        begun = state.begin(night)
        n[begun], total[begun], squares[begun] = 0.0, 0.0, 0.0
        preferences[begun] = (
            rng.standard_exponential((int(begun.sum()), USERS), dtype=np.float32) - 1.0
        ) * preference_spread
        rows = state.is_judged
        kind = kinds[rng.integers(0, KINDS, (int(rows.sum()), USERS))]
        preference = preferences[rows]
        n[rows] += kind[..., 0]
        total[rows] += kind[..., 1] + preference * kind[..., 0]
        squares[rows] += (kind[..., 2] + 2.0 * preference * kind[..., 1] + preference**2 * kind[..., 0]).sum(axis=1)
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
