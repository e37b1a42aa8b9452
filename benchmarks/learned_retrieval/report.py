"""Rows of the study: recall of each policy, its interval, and the closed share of the gap."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ltrr.arrays import Bools, Floats, Longs
from ltrr.core.feature_groups import MEMORY
from ltrr.core.plans import PlanSpace
from ltrr.simulation.replicates import REPLICATES, interval_of
from ltrr.simulation.world import World

SERVED = ("blind", "first_look")
"""Values of `observe` whose drawn blocks are reported by strategy."""

_CURVES = ("static", "value_planner_stop")

Key = tuple[str, str]


@dataclass(eq=False)
class LogResults:
    """True recall of every policy for every query, from one log.

    Attributes:
        world: World of the log.
        space: Plan space.
        truth: True recall of every plan, [Q, P].
        recall: (observe, policy) -> recall of each query, [Q]; NaN if no entity is relevant.
        extra: Rows of stopping, exploration and choices.
        plans: (observe, policy) -> plan of each query, [Q].
    """

    world: World
    space: PlanSpace
    truth: Floats
    recall: dict[Key, Floats] = field(default_factory=dict)
    extra: list[dict[str, Any]] = field(default_factory=list)
    plans: dict[Key, Longs] = field(default_factory=dict)

    def add(self, observe: str, policy: str, plans: Longs) -> None:
        """Add a policy with its plan of each query, [Q]."""
        self.recall[observe, policy] = self.truth[np.arange(len(plans)), plans]
        self.plans[observe, policy] = plans

    def add_static(self, seen: Bools) -> None:
        """Add the uniform policy, the best static plans, and the best plan of every query.

        The best static plans with and without the memory have the largest recall on seen queries.
        """
        mean = np.nanmean(self.truth[seen], axis=0)
        memory = self.space.strategy_index[MEMORY]
        without = np.where(self.space.plans[:, memory] == 0, mean, -1.0)
        self.recall["any", "uniform"] = self.truth.mean(axis=1)
        self.recall["any", "static"] = self.truth[:, int(np.argmax(without))]
        self.recall["any", "static_with_memory"] = self.truth[:, int(np.argmax(mean))]
        self.recall["any", "oracle"] = self.truth.max(axis=1)

    def add_best_candidates(self, entities: Longs) -> None:
        """Add the candidates of the largest values, without a plan; entity numbers [Q, 8]."""
        relevant = self.world.relevance(np.arange(len(entities))[:, None], entities) > 0.0
        possible = np.minimum(self.world.relevant_counts, self.world.limit).astype(np.float64)
        possible[possible == 0.0] = np.nan
        self.recall["all_blocks", "best_candidates"] = relevant.sum(axis=1) / possible


def rows_of(logs: Sequence[LogResults]) -> list[dict[str, Any]]:
    """One row for each policy and slice, from the mean recall over logs."""
    recall = {key: np.mean([judged.recall[key] for judged in logs], axis=0) for key in logs[0].recall}
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for part, queries in slices_of(logs[0].world).items():
        defined = queries[~np.isnan(recall["any", "oracle"][queries])]
        draws = rng.integers(0, len(defined), (REPLICATES, len(defined)))
        means = {key: values[defined][draws].mean(axis=1) for key, values in recall.items()}
        point = {key: float(values[defined].mean()) for key, values in recall.items()}
        static = max((("any", "static"), ("any", "static_with_memory")), key=lambda key: point[key])
        for key, value in point.items():
            gap, gaps = point["any", "oracle"] - point[static], means["any", "oracle"] - means[static]
            over = means[key] - means[static]
            (low, high), (over_low, over_high) = interval_of(means[key]), interval_of(over)
            share_low, share_high = interval_of(over / gaps)
            rows.append(
                {
                    "observe": key[0],
                    "policy": key[1],
                    "slice": part,
                    "recall": value,
                    "low": low,
                    "high": high,
                    "draws": float(logs[0].space.budget),
                    "share": (value - point[static]) / gap,
                    "share_low": share_low,
                    "share_high": share_high,
                    "over_static_low": over_low,
                    "over_static_high": over_high,
                    "seeds": len(logs),
                }
            )
    return rows + _draws_by_kind(logs) + _mean_extras([judged.extra for judged in logs])


def slices_of(world: World) -> dict[str, Longs]:
    """Slice -> query numbers. Where queries have kinds, unseen queries of each kind are a slice."""
    slices = dict(world.slices)
    kinds = np.array([query.kind for query in world.queries])
    if len(set(kinds)) > 1:
        slices |= {f"unseen {kind}": np.flatnonzero(world.unseen & (kinds == kind)) for kind in sorted(set(kinds))}
    return slices


def _draws_by_kind(logs: Sequence[LogResults]) -> list[dict[str, Any]]:
    """Mean number of blocks drawn from each strategy by the published policies, by slice."""
    rows: list[dict[str, Any]] = []
    space = logs[0].space
    for part, queries in slices_of(logs[0].world).items():
        for observe in SERVED:
            taken = [
                judged.plans[observe, "published"][queries] for judged in logs if (observe, "published") in judged.plans
            ]
            if taken:
                blocks = np.mean([space.plans[plans].mean(axis=0) for plans in taken], axis=0)
                drawn = dict(zip(space.strategies, blocks.round(3).tolist(), strict=True))
                rows.append({"observe": observe, "policy": "blocks_drawn", "slice": part, "blocks": drawn})
    return rows


def _mean_extras(logs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of stopping, exploration and choices; figures are means over logs."""
    return [
        {
            name: float(np.mean([row[name] for row in together]))
            if isinstance(value, float)
            else _common_value(together, name)
            for name, value in together[0].items()
        }
        for together in zip(*logs, strict=True)
    ]


def _common_value(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    """The value that all logs have in common, or the different values joined by "or"."""
    values = list(dict.fromkeys(row[name] for row in rows))
    return values[0] if len(values) == 1 else " or ".join(map(str, values))


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print all rows as a table."""
    print(f"{'observe':12}{'policy':26}{'slice':8}{'recall':>8}  {'95 %':16}{'draws':>6}{'share of the gap':>18}")
    for row in rows:
        if "recall" not in row:
            rest = {name: value for name, value in row.items() if name not in ("observe", "policy", "slice")}
            print(f"{row['observe']:12}{row['policy']:26}{row['slice']:8}  {json.dumps(rest)}")
            continue
        share = f"{row['share']:+.2f} [{row['share_low']:+.2f}, {row['share_high']:+.2f}]" if "share" in row else ""
        interval = f"[{row['low']:.3f}, {row['high']:.3f}]" if "low" in row else row.get("note", "")
        print(
            f"{row['observe']:12}{row['policy']:26}{row['slice']:8}{row['recall']:8.4f}"
            f"  {interval:16}{row['draws']:6.2f}   {share}"
        )


def markdown(rows: Sequence[Mapping[str, Any]], world: str, impressions: int) -> str:
    """The tables of the documentation."""
    judged = [row for row in rows if "share" in row]
    every = list(dict.fromkeys(row["slice"] for row in judged))
    parts = [part for part in every if not part.startswith(KIND)]
    cells = {(row["observe"], row["policy"], row["slice"]): row for row in judged}
    seeds = judged[0]["seeds"]
    log = f"{impressions:,} logged searches, mean over {seeds} seed{'s' * (seeds > 1)}"
    lines = [
        f"`{world}`, {log}: recall (closed share of the gap to the oracle).",
        "",
        "| observe | policy | " + " | ".join(parts) + " |",
        "|---|---|" + "---|" * len(parts),
    ]
    for observe, policy in dict.fromkeys((row["observe"], row["policy"]) for row in judged):
        row = (cells[observe, policy, part] for part in parts)
        shown = " | ".join(f"{one['recall']:.3f} ({one['share']:+.2f})" for one in row)
        lines.append(f"| {observe} | {policy} | {shown} |")
    kinds = [part for part in every if part.startswith(KIND)]
    if kinds:
        lines += _by_kind(kinds, cells, rows)
    lines += ["", "| draws | policy | plan or price | recall, unseen |", "|---|---|---|---|"]
    for row in sorted(
        (row for row in rows if "draws" in row and row["policy"] in _CURVES), key=lambda row: row["draws"]
    ):
        if "note" in row:
            lines.append(f"| {row['draws']:.2f} | {row['policy']} | {row['note']} | {row['recall']:.3f} |")
    lines += ["", "| observe | exploration | lost recall | effective sample, share of n |", "|---|---|---|---|"]
    for row in rows:
        if row["policy"] == "explored":
            lines.append(f"| {row['observe']} | {row['note']} | {row['cost']:.4f} | {row['effective_share']:.2f} |")
    lines += ["", "| observe | chosen on training queries | choices of the logs |", "|---|---|---|"]
    chosen = {
        "elected": "published for queries never searched",
        "alpha": "weight of Vowpal Wabbit's score, mean of logs",
    }
    for row in rows:
        if row["policy"] in chosen:
            what = row["note"] if "note" in row else f"{row['alpha']:.2f}"
            lines.append(f"| {row['observe']} | {chosen[row['policy']]} | {what} |")
    return "\n".join(lines) + "\n"


KIND = "unseen "


def _by_kind(
    kinds: Sequence[str], cells: Mapping[tuple[str, str, str], Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Tables by kind of query: gain over the best static plan, and blocks drawn."""
    shown = [("any", "static"), ("blind", "published"), ("first_look", "published"), ("drawn", "published")]
    shown += [("all_blocks", "value_planner"), ("any", "oracle")]
    lines = ["", "Unseen queries by kind: recall, and its difference from the best static plan for the kind.", ""]
    lines += ["| kind | " + " | ".join(f"{policy}, {observe}" for observe, policy in shown) + " |"]
    lines += ["|---|" + "---|" * len(shown)]
    for part in kinds:
        entries = []
        for observe, policy in shown:
            row = cells[observe, policy, part]
            over = f" [{row['over_static_low']:+.3f}, {row['over_static_high']:+.3f}]"
            entries.append(f"{row['recall']:.3f}" + (over if policy not in ("static", "oracle") else ""))
        lines.append(f"| {part.removeprefix(KIND)} | " + " | ".join(entries) + " |")
    drawn = [row for row in rows if row["policy"] == "blocks_drawn" and row["slice"] in kinds]
    names = list(drawn[0]["blocks"])
    lines += ["", "Mean number of blocks that the published policy draws from each strategy.", ""]
    lines += ["| observe | kind | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for row in drawn:
        blocks = " | ".join(f"{row['blocks'][name]:.2f}" for name in names)
        lines.append(f"| {row['observe']} | {row['slice'].removeprefix(KIND)} | {blocks} |")
    return lines
