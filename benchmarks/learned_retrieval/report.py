"""From plans taken to rows: recall, interval, and the share of the gap that was closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltrr.core.feature_groups import MEMORY
from ltrr.core.plans import PlanSpace
from ltrr.simulation.world import World

Floats = NDArray[np.float64]

_REPLICATES = 1_000
_CURVES = ("static", "value_planner_stop")

Key = tuple[str, str]


@dataclass(eq=False)
class Judged:
    """True recall of every policy for every query, from one log.

    Attributes:
        world: whose truth.
        space: the plans.
        truth: recall of every plan, [Q, P].
        recall: (observe, policy) -> recall of each query, [Q]; NaN where nothing is relevant.
        extra: rows of other kinds: stopping, exploration.
    """

    world: World
    space: PlanSpace
    truth: Floats
    recall: dict[Key, Floats] = field(default_factory=dict)
    extra: list[dict[str, Any]] = field(default_factory=list)

    def add(self, observe: str, policy: str, plans: NDArray[np.int64]) -> None:
        """A policy that takes one plan a query, [Q]."""
        self.recall[observe, policy] = self.truth[np.arange(len(plans)), plans]

    def add_static(self, seen: NDArray[np.bool_]) -> None:
        """Uniform, the best static plan with and without the memory, and the exact best plan of every query."""
        mean = np.nanmean(self.truth[seen], axis=0)
        memory = self.space.strategy_index[MEMORY]
        without = np.where(self.space.plans[:, memory] == 0, mean, -1.0)
        self.recall["any", "uniform"] = self.truth.mean(axis=1)
        self.recall["any", "static"] = self.truth[:, int(np.argmax(without))]
        self.recall["any", "static_with_memory"] = self.truth[:, int(np.argmax(mean))]
        self.recall["any", "oracle"] = self.truth.max(axis=1)

    def add_best_candidates(self, entities: NDArray[np.int64]) -> None:
        """No plan at all: the best of all candidates by value, as many as a plan brings; entity numbers [Q, 8]."""
        relevant = self.world.relevance(np.arange(len(entities))[:, None], entities) > 0.0
        possible = np.minimum(self.world.relevant_counts, self.world.limit).astype(np.float64)
        possible[possible == 0.0] = np.nan
        self.recall["all_blocks", "best_candidates"] = relevant.sum(axis=1) / possible


def rows_of(logs: Sequence[Judged]) -> list[dict[str, Any]]:
    """One row a policy and slice, on the mean over logs."""
    recall = {key: np.mean([judged.recall[key] for judged in logs], axis=0) for key in logs[0].recall}
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for part, queries in logs[0].world.slices.items():
        defined = queries[~np.isnan(recall["any", "oracle"][queries])]
        draws = rng.integers(0, len(defined), (_REPLICATES, len(defined)))
        means = {key: values[defined][draws].mean(axis=1) for key, values in recall.items()}
        point = {key: float(values[defined].mean()) for key, values in recall.items()}
        static = max((("any", "static"), ("any", "static_with_memory")), key=lambda key: point[key])
        for key, value in point.items():
            gap, gaps = point["any", "oracle"] - point[static], means["any", "oracle"] - means[static]
            over = means[key] - means[static]
            rows.append(
                {
                    "observe": key[0],
                    "policy": key[1],
                    "slice": part,
                    "recall": value,
                    "low": float(np.quantile(means[key], 0.025)),
                    "high": float(np.quantile(means[key], 0.975)),
                    "draws": float(logs[0].space.budget),
                    "share": (value - point[static]) / gap,
                    "share_low": float(np.quantile(over / gaps, 0.025)),
                    "share_high": float(np.quantile(over / gaps, 0.975)),
                    "over_static_low": float(np.quantile(over, 0.025)),
                    "over_static_high": float(np.quantile(over, 0.975)),
                    "seeds": len(logs),
                }
            )
    return rows + _mean_extras([judged.extra for judged in logs])


def _mean_extras(logs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of other kinds, figures averaged over logs."""
    return [
        {
            name: float(np.mean([row[name] for row in together])) if isinstance(value, float) else value
            for name, value in together[0].items()
        }
        for together in zip(*logs, strict=True)
    ]


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """A table for people."""
    print(f"{'observe':12}{'policy':26}{'slice':8}{'recall':>8}  {'95 %':16}{'draws':>6}{'share of the gap':>18}")
    for row in rows:
        share = f"{row['share']:+.2f} [{row['share_low']:+.2f}, {row['share_high']:+.2f}]" if "share" in row else ""
        interval = f"[{row['low']:.3f}, {row['high']:.3f}]" if "low" in row else row.get("note", "")
        print(
            f"{row['observe']:12}{row['policy']:26}{row['slice']:8}{row['recall']:8.4f}"
            f"  {interval:16}{row['draws']:6.2f}   {share}"
        )


def markdown(rows: Sequence[Mapping[str, Any]], world: str, impressions: int) -> str:
    """The tables of docs/retrieval.md."""
    judged = [row for row in rows if "share" in row]
    parts = list(dict.fromkeys(row["slice"] for row in judged))
    cells = {(row["observe"], row["policy"], row["slice"]): row for row in judged}
    seeds = judged[0]["seeds"]
    lines = [
        f"`{world}`, {impressions:,} searches logged, mean over {seeds} seed(s); recall (share of the gap).",
        "",
        "| observe | policy | " + " | ".join(parts) + " |",
        "|---|---|" + "---|" * len(parts),
    ]
    for observe, policy in dict.fromkeys((row["observe"], row["policy"]) for row in judged):
        row = (cells[observe, policy, part] for part in parts)
        shown = " | ".join(f"{one['recall']:.3f} ({one['share']:+.2f})" for one in row)
        lines.append(f"| {observe} | {policy} | {shown} |")
    lines += ["", "| draws | policy | what | recall, unseen |", "|---|---|---|---|"]
    for row in sorted(
        (row for row in rows if "draws" in row and row["policy"] in _CURVES), key=lambda row: row["draws"]
    ):
        if "note" in row:
            lines.append(f"| {row['draws']:.2f} | {row['policy']} | {row['note']} | {row['recall']:.3f} |")
    lines += ["", "| observe | exploration | recall it costs | effective sample, share of n |", "|---|---|---|---|"]
    for row in rows:
        if row["policy"] == "explored":
            lines.append(f"| {row['observe']} | {row['note']} | {row['cost']:.4f} | {row['effective_share']:.2f} |")
    return "\n".join(lines) + "\n"
