"""Logs of unions in a world of known truth: pages in the order of fusion, with simulated clicks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ltrr.arrays import Longs
from ltrr.core.hashing import user_fold
from ltrr.serving.policy import Policy
from ltrr.serving.ranker import Page, Ranker, Slate
from ltrr.simulation.answers import Answers, answers_of, plan_blocks
from ltrr.simulation.rankings import NO_ENTITY
from ltrr.simulation.world import World

DAY = date(2026, 3, 2)
_AT_ONCE = 2_000


@dataclass
class Unions:
    """Unions of uniformly drawn plans, as a policy without a memory serves them.

    Attributes:
        world: World whose strategies answer.
        policy: Policy whose plans are drawn.
    """

    world: World
    policy: Policy

    def __post_init__(self) -> None:
        self._answers: dict[int, Answers] = {}

    def pages(self, queries: Longs, rng: np.random.Generator) -> list[Page]:
        """Page of each query for a plan that is drawn uniformly."""
        plans = rng.integers(0, len(self.policy.space), len(queries)).tolist()
        return [self._page(query, plan) for query, plan in zip(queries.tolist(), plans, strict=True)]

    def _page(self, query: int, plan: int) -> Page:
        if query not in self._answers:
            self._answers[query] = answers_of(self.world, self.policy, query)
        return self.world.queries[query].query_text, plan_blocks(
            self._answers[query], self.policy.space.plans[plan].tolist()
        )


def write_slates(unions: Unions, impressions: int, seed: int, path: Path) -> tuple[int, int]:
    """Write slate rows of searches of seen queries; return the numbers of impressions and clicks.

    The rows have the true examination of the world. The served order is that of reciprocal rank
    fusion, and a page shows `page_size` entities.
    """
    rng, world = np.random.default_rng([seed, 11]), unions.world
    queries = rng.choice(len(world.queries), impressions, p=world.traffic)
    fusion, writer, clicks = Ranker(unions.policy.space, None), None, 0
    for start in range(0, impressions, _AT_ONCE):
        part = queries[start : start + _AT_ONCE]
        slates = [slate.top(world.users.page_size) for slate in fusion.rank_many(unions.pages(part, rng))]
        rows = _rows(world, part, slates, start, rng)
        clicks += sum(rows["clicks"].to_pylist())
        writer = writer or pq.ParquetWriter(path, rows.schema)
        writer.write_table(rows)
    assert writer is not None
    writer.close()
    return impressions, clicks


def _rows(world: World, queries: Longs, slates: list[Slate], first: int, rng: np.random.Generator) -> pa.Table:
    examination = world.users.examination()
    columns: dict[str, list[object]] = {name: [] for name in _SCHEMA.names}
    for number, (query, slate) in enumerate(zip(queries.tolist(), slates, strict=True), start=first):
        relevance = world.queries[query].relevance
        user = f"u{rng.integers(10_000)}"
        wanted = np.array([relevance.get(world.entity_numbers.get(one, NO_ENTITY), 0.0) for one in slate.entity_ids])
        chance = world.users.click_if_examined(wanted) * examination[: len(wanted)]
        clicked = (rng.random(len(wanted)) < chance).astype(int).tolist()
        for place, entity_id in enumerate(slate.entity_ids):
            row = (f"i{number}", entity_id, DAY, place + 1, world.keys[query], user, user_fold(user))
            more = ([float(value) for value in slate.features[place]], clicked[place], float(examination[place]))
            for name, value in zip(_SCHEMA.names, (*row, *more), strict=True):
                columns[name].append(value)
    return pa.Table.from_pydict(columns, schema=_SCHEMA)


_SCHEMA = pa.schema(
    [
        ("impression_id", pa.string()),
        ("entity_id", pa.string()),
        ("log_date", pa.date32()),
        ("position", pa.int32()),
        ("query_key", pa.string()),
        ("user_key", pa.string()),
        ("user_fold", pa.int32()),
        ("features", pa.list_(pa.float64())),
        ("clicks", pa.int32()),
        ("examination", pa.float64()),
    ]
)
