"""Quality of the film world's strategies, compared with the figures of an earlier trial.

    python benchmarks/worlds_check.py --data DIR [--json benchmarks/worlds_check.json]

It prints nDCG@10 of each strategy over the judged films, and the recall of the union of plans
(blocks of 2, budget 4), next to the figures of an earlier trial on the same data. The recall is
printed without hybrid search, as in the trial, and with it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command_line import DATA_HELP, add_outputs, new_parser, write_json
from ltrr.core.queries import query_key
from ltrr.core.ranking_metrics import ndcg
from ltrr.demo.trial import CHECKED_WITH_TRIAL, TRIAL_TOLERANCE, plan_rows
from ltrr.simulation.msrd import msrd_world
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.world import World

TRIAL_NDCG = {"title": 0.808, "fields": 0.754, "semantic": 0.735, "popularity": 0.249, "structured": 0.192}


def judged_ndcg(world: World, judged: list[set[int]], strategy: str, depth: int) -> float:
    """Mean nDCG@10 of a strategy's list, over the judged films among its first `depth` entities."""
    lists = world.rankings.entities[:, world.rankings.strategies.index(strategy), :depth]
    values = []
    for number, query in enumerate(world.queries):
        gains = [query.relevance.get(film, 0.0) for film in lists[number].tolist() if film in judged[number]]
        values.append(ndcg(gains, 10, ideal_gains=list(query.relevance.values())))
    return float(np.mean(values))


def judged_films(data: Path, world: World) -> list[set[int]]:
    """Numbers of the films with a judgment, relevant or not, for each query."""
    numbers = {key: number for number, key in enumerate(world.keys)}
    judged: list[set[int]] = [set() for _ in world.keys]
    with gzip.open(data / "judgments.tsv.gz", "rt", encoding="utf-8", newline="\n") as file:
        for _, text, film, _ in list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]:
            if film in world.entity_numbers:
                judged[numbers[query_key(text)]].add(world.entity_numbers[film])
    return judged


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser)
    parser.add_argument("--data", type=Path, required=True, help=DATA_HELP)
    return parser


def main() -> int:
    """Print the tables; return 1 if a figure with a bar is more than .015 from the trial."""
    options = build_parser().parse_args()
    figures = measure_strategies(options.data)
    tables, missed = {}, 0
    for hybrid in (False, True):
        rows = plan_rows(msrd_world(options.data, hybrid=hybrid, cache_folder=default_cache()))
        tables["seven strategies" if hybrid else "six strategies"] = rows
        missed += print_plans(rows, hybrid=hybrid)
    write_json(options.json, {"ndcg": figures, "recall": tables})
    return int(missed > 0)


def measure_strategies(data: Path) -> list[dict[str, Any]]:
    """Print nDCG@10 of each strategy over the first 10 and the first 100 entities of its list."""
    # Only nDCG needs lists of a hundred entities.
    deep = msrd_world(data, hybrid=False, block_size=25, budget=4, cache_folder=default_cache())
    judged = judged_films(data, deep)
    print(f"{'nDCG@10 over the judged films':32}{'first 10':>10}{'first 100':>10}{'trial':>8}")
    figures = []
    for strategy in deep.rankings.strategies:
        at_depth = {depth: round(judged_ndcg(deep, judged, strategy, depth), 4) for depth in (10, 100)}
        figures.append(
            {"strategy": strategy, "first_10": at_depth[10], "first_100": at_depth[100], "trial": TRIAL_NDCG[strategy]}
        )
        print(f"{strategy:32}{at_depth[10]:>10.3f}{at_depth[100]:>10.3f}{TRIAL_NDCG[strategy]:>8.3f}")
    return figures


def print_plans(rows: Sequence[Mapping[str, Any]], *, hybrid: bool) -> int:
    """Print the recall of each plan; return the number of figures too far from the trial."""
    print(f"\nrecall of the union, {'with' if hybrid else 'without'} hybrid; the memory is empty")
    missed = 0
    for row in rows:
        trial = (
            "" if hybrid or row["trial"] is None else f"trial {row['trial']:.3f} ({row['recall'] - row['trial']:+.3f})"
        )
        is_checked = not hybrid and (row["slice"], row["policy"]) in CHECKED_WITH_TRIAL
        is_missed = is_checked and abs(row["recall"] - row["trial"]) > TRIAL_TOLERANCE
        missed += is_missed
        print(
            f"{row['slice']:8}{row['policy']:20}{row['plan']:18}{row['recall']:.3f} +- {row['standard_error']:.3f}"
            f"  {trial}{'  TOO FAR' if is_missed else ''}"
        )
    return missed


if __name__ == "__main__":
    sys.exit(main())
