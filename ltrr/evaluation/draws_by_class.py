"""Number and depth of the blocks that a policy draws from each strategy, by query class.

They are computed in a separate pass over a hash sample of the held-out decisions. In the scoring
pass they would make every row three times as wide. A share estimated from 5,000 decisions has a 95
% interval of 1.4 percentage points on each side.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.arrays import Longs
from ltrr.core.plans import PlanSpace
from ltrr.estimation.fixed_point import from_fixed, to_fixed
from ltrr.evaluation.judged_policy import JudgedPolicy
from ltrr.evaluation.logged_decision import COLUMNS, LoggedDecision, logged_decisions
from ltrr.evaluation.scoring import ALL, N
from ltrr.spark.hashing import HashUse, salted_hash
from ltrr.spark.merging import merge

DRAWS_BY_CLASS = "draws_by_class"
"""Key in the night's notes and in a manifest's evaluation, and name of the tracked files."""

HOW = ("served", "greedy")

DrawTable = dict[str, dict[str, Any]]
"""Draws of one policy by slice: the number of decisions, and an entry for each of `HOW`.

An entry is: strategy -> expected draws of its n-th block, [D]."""

_HEAD = """\
# What the policies draw

Expected number of blocks of each strategy in a search, and in brackets of its 1st, 2nd, ... block. A row adds up to the
budget. "Served" includes exploration, "greedy" does not. Computed from a hash sample of held-out users' decisions."""

_PLACES = 4
_BUCKETS = 1 << 20


@dataclass(frozen=True)
class DrawSums:
    """Expected draws of every block, summed exactly; `+` joins disjoint sets of decisions.

    Attributes:
        sums: Query class -> name -> sums in whole numbers of 2^-24. The names are `n`, with one
            number, and <policy>_<how>, with [S * D].

    >>> one = DrawSums({"long": {"n": (1,), "champion_served": (5, 2)}})
    >>> (one + one + DrawSums({"digits": {"n": (1,)}})).sums
    {'long': {'n': (2,), 'champion_served': (10, 4)}, 'digits': {'n': (1,)}}
    """

    sums: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)

    def __add__(self, other: DrawSums) -> DrawSums:
        joined = {name: dict(sums) for name, sums in self.sums.items()}
        for name, sums in other.sums.items():
            mine = joined.setdefault(name, {})
            for key, values in sums.items():
                mine[key] = tuple(map(sum, zip(mine[key], values, strict=True))) if key in mine else values
        return DrawSums(joined)

    @staticmethod
    def of(decisions: Iterable[LoggedDecision], policies: Sequence[JudgedPolicy]) -> DrawSums:
        """Sums of these decisions, for the policies that have a chooser."""
        sums: dict[str, dict[str, Longs]] = {}
        for decision in decisions:
            of_class = sums.setdefault(decision.query_class, {})
            for key, values in _terms(decision, policies):
                of_class[key] = of_class[key] + values if key in of_class else values
        return DrawSums({name: {key: tuple(v.tolist()) for key, v in mine.items()} for name, mine in sums.items()})

    def to_json(self) -> str:
        """As text, to cross a process; integers keep every digit."""
        return json.dumps(self.sums)

    @classmethod
    def from_json(cls, text: str) -> DrawSums:
        """Back from `to_json`."""
        slices = json.loads(text)
        return cls({name: {key: tuple(values) for key, values in sums.items()} for name, sums in slices.items()})


def sum_draws(decisions: DataFrame, policies: Sequence[JudgedPolicy], space: PlanSpace) -> DrawSums:
    """Expected draws of every policy, by query class; empty without decisions.

    Args:
        decisions: Rows of the table `decisions` in the policies' plan space; rewards are not read.
        policies: Policies whose draws are summed.
        space: The plans.
    """
    session = decisions.sparkSession.sparkContext
    sent: Broadcast[tuple[JudgedPolicy, ...]] = session.broadcast(tuple(policies))
    unread = {"page_reward": F.lit(0.0), "query_mean": F.lit(0.0)}

    def to_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = DrawSums()
        for batch in batches:
            total += DrawSums.of(logged_decisions(batch, space), sent.value)
        yield pa.RecordBatch.from_pydict({"sums": [total.to_json()]})

    rows = decisions.withColumns(unread).select(*COLUMNS)
    return merge(rows.mapInArrow(to_sums, "sums string"), DrawSums.from_json) or DrawSums()


def sample_decisions(decisions: DataFrame, share: float) -> DataFrame:
    """About this share of the rows, chosen by hash of the impression.

    >>> ids = spark.createDataFrame([(f"i{n}",) for n in range(1000)], "impression_id string")
    >>> 200 < sample_decisions(ids, 0.25).count() < 300, sample_decisions(ids, 1.0).count()
    (True, 1000)
    """
    place = F.pmod(salted_hash(HashUse.DRAWS_SAMPLE, "impression_id"), F.lit(_BUCKETS))
    return decisions.where(place < F.lit(round(share * _BUCKETS)))


def draw_table(sums: DrawSums, policy: str, space: PlanSpace) -> DrawTable:
    """The draws of one policy, with the slice of all queries first; empty without sums.

    >>> space = PlanSpace(("title", "memory"), block_size=2, budget=2)
    >>> half, one = 1 << 23, 1 << 24
    >>> served, greedy = (one, half, half, 0), (one, one, 0, 0)
    >>> sums = {"n": (one,), "champion_served": served, "champion_greedy": greedy}
    >>> draw_table(DrawSums({"long": sums}), "champion", space)["all"]
    {'decisions': 1, 'served': {'title': [1.0, 0.5], 'memory': [0.5, 0.0]},
     'greedy': {'title': [1.0, 1.0], 'memory': [0.0, 0.0]}}
    """
    whole = sum((DrawSums({ALL: of_class}) for of_class in sums.sums.values()), DrawSums())
    table: DrawTable = {}
    for name, of_class in sorted((whole + sums).sums.items(), key=lambda entry: (entry[0] != ALL, entry[0])):
        if _name(policy, HOW[0]) in of_class:
            decisions = round(from_fixed(of_class[N][0]))
            table[name] = {"decisions": decisions} | {
                how: _by_strategy(of_class[_name(policy, how)], decisions, space) for how in HOW
            }
    return table


def draw_rows(tables: Mapping[str, DrawTable]) -> list[dict[str, Any]]:
    """One row for each policy, slice, how and strategy: expected draws in all and of each block."""
    return [
        {
            "policy": policy,
            "slice": name,
            "decisions": entry["decisions"],
            "how": how,
            "strategy": strategy,
            "draws": round(sum(by_depth), _PLACES),
            "share": round(sum(by_depth) / len(by_depth), _PLACES),
            "by_depth": by_depth,
        }
        for policy, table in tables.items()
        for name, entry in table.items()
        for how in HOW
        for strategy, by_depth in entry[how].items()
    ]


def list_short_rows(table: DrawTable) -> list[dict[str, Any]]:
    """One row of text for each slice and how: expected draws of each strategy (of each block).

    >>> draws = {"served": {"title": [1.0, 0.25]}, "greedy": {"title": [1.0, 1.0]}}
    >>> for row in list_short_rows({"all": {"decisions": 7, **draws}}):
    ...     print(row)
    {'class': 'all', 'decisions': 7, 'how': 'served', 'title': '1.25 (1.00 .25)'}
    {'class': 'all', 'decisions': 7, 'how': 'greedy', 'title': '2.00 (1.00 1.00)'}
    """
    return [
        {"class": name, "decisions": entry["decisions"], "how": how}
        | {strategy: _format_draws(by_depth) for strategy, by_depth in entry[how].items()}
        for name, entry in table.items()
        for how in HOW
    ]


def render_draws(tables: Mapping[str, DrawTable]) -> str:
    """The tables as markdown, one for each policy."""
    parts = [_HEAD]
    for policy, table in tables.items():
        rows = list_short_rows(table)
        if rows:
            head = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
            lines = [f"| {line} |" for line in (*head, *(" | ".join(map(str, row.values())) for row in rows))]
            parts.append("\n".join((f"## {policy}\n", *lines)))
    return "\n\n".join(parts) + "\n"


def _terms(decision: LoggedDecision, policies: Sequence[JudgedPolicy]) -> Iterator[tuple[str, Longs]]:
    yield N, to_fixed([1.0])
    for policy in policies:
        choice = policy.choice(decision)
        if choice is not None:
            # Not in batches: the last bits of a matrix product depend on the number of rows.
            draws = policy.space.draws
            yield _name(policy.name, "served"), to_fixed(choice.distribution.dense() @ draws)
            yield _name(policy.name, "greedy"), to_fixed(draws[choice.greedy])


def _name(policy: str, how: str) -> str:
    return f"{policy}_{how}"


def _by_strategy(sums: Sequence[int], decisions: int, space: PlanSpace) -> dict[str, list[float]]:
    means = np.round([from_fixed(total) / decisions for total in sums], _PLACES)
    by_depth = means.reshape(len(space.strategies), space.budget).tolist()
    return dict(zip(space.strategies, by_depth, strict=True))


def _format_draws(by_depth: Sequence[float]) -> str:
    return f"{sum(by_depth):.2f} ({' '.join(f'{draws:.2f}'.removeprefix('0') for draws in by_depth)})"
