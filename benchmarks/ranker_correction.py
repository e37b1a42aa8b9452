"""True nDCG of rankers with and without a correction of clicks for examination.

    python benchmarks/ranker_correction.py [--data DIR] [--json OUT]
        [--impressions 20000] [--seeds 3]

The worlds have a known truth. In each world users search seen queries, plans are drawn uniformly,
pages are in the order of reciprocal rank fusion, and clicks follow the examination of the world.
`ltrr.ranking.training` trains two rankers on the same log. One has the weights clicks /
examination, the other has clicks alone (examination 1 everywhere). Both order the same unions of
queries that were never searched (`world.unseen`). A paired bootstrap over queries, on means over
seeds, compares their true nDCG@10. For each seed the benchmark also prints the estimate of
`judge_orders` on held-out users and queries.

The exit code is 1 if the interval of a world is not above 0. Without its data, the world msrd is
skipped with a message.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.command_line import DATA_HELP, add_outputs, new_parser, report_bars, write_json
from benchmarks.ranker_study.logs import DAY, Unions, write_slates
from ltrr.core.ranker_features import ranker_features
from ltrr.demo.worlds import WorldChoice, build_world
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.ranking.judging import OrderQuality, fusion_order, judge_orders
from ltrr.ranking.rows import only_judging, only_training, to_ranking_rows
from ltrr.ranking.settings import RankerSettings
from ltrr.ranking.training import train_ranker
from ltrr.serving.policy import Policy
from ltrr.serving.ranker import Ranker
from ltrr.simulation.ranker_truth import true_ndcg
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.replicates import interval_of, replicate_means
from ltrr.simulation.world import World
from ltrr.spark.session import SparkSettings, build_session

FLOOR, CAP = 0.05, 10.0
HELD_OUT = (30, 30)
PLANS = 4
"""Number of unions of each unseen query."""
ORDERS = ("corrected", "uncorrected", "fusion")
SETTINGS = RankerSettings()


def policy_of(world: World, folder: Path) -> Policy:
    """Uniform policy without a memory."""
    settings = world.policy_settings()
    publish_first_champion(folder, settings, DAY)
    return Policy.load(folder / settings.name)


def train_rankers(spark: SparkSession, slates: Path, policy: Policy) -> tuple[dict[str, bytes | None], OrderQuality]:
    """Train rankers with and without correction on one log; judge them by `judge_orders`."""
    names = [feature.name for feature in ranker_features(policy.space)]
    logged = spark.read.parquet(str(slates))
    rows = to_ranking_rows(logged, FLOOR, CAP).cache()
    plain = to_ranking_rows(logged.withColumn("examination", F.lit(1.0)), FLOOR, CAP)
    models: dict[str, bytes | None] = {
        name: train_ranker(only_training(source, *HELD_OUT), names, SETTINGS)
        for name, source in (("corrected", rows), ("uncorrected", plain))
    }
    models["fusion"] = None
    quality = judge_orders(only_judging(rows, *HELD_OUT), models, fusion_order(names), SETTINGS.ndcg_positions)
    rows.unpersist()
    return models, quality


def measure(spark: SparkSession, world: World, impressions: int, seeds: int) -> dict[str, Any]:
    """True nDCG of each order on unseen queries of one world, and estimates of `judge_orders`."""
    ndcg, judged, clicks = [], [], 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        unions = Unions(world, policy_of(world, folder))
        unseen = np.repeat(np.flatnonzero(world.unseen), PLANS)
        for seed in range(1, seeds + 1):
            slates = folder / f"slates-{seed}.parquet"
            _, clicked = write_slates(unions, impressions, seed, slates)
            clicks += clicked
            models, quality = train_rankers(spark, slates, unions.policy)
            pages = unions.pages(unseen, np.random.default_rng([seed, 12]))
            orders = [Ranker(unions.policy.space, models[name]).rank_many for name in ORDERS]
            ndcg.append(np.array(true_ndcg(world, unseen.tolist(), pages, orders)))
            seen = quality.difference("corrected", "uncorrected")
            judged.append({"difference": seen.value, "standard_error": seen.standard_error})
            print(f"{world.name}, seed {seed}: {np.nanmean(ndcg[-1], axis=0).round(4).tolist()}, judged {judged[-1]}")
    return summarize(world, np.stack(ndcg), judged, impressions, clicks // seeds)


def summarize(world: World, ndcg: Any, judged: list[dict[str, float]], impressions: int, clicks: int) -> dict[str, Any]:
    """Figures of a world: means over seeds and plans, and a paired bootstrap over queries."""
    by_query = ndcg.reshape(len(ndcg), -1, PLANS, len(ORDERS)).transpose(1, 0, 2, 3).reshape(-1, len(ndcg) * PLANS, 3)
    by_query = by_query[np.isfinite(by_query).any(axis=(1, 2))]
    values = np.nanmean(by_query, axis=1)
    means = replicate_means(values)
    found: dict[str, Any] = {
        "world": world.name,
        "impressions": impressions,
        "clicks": clicks,
        "queries": len(values),
        **{name: float(values[:, place].mean()) for place, name in enumerate(ORDERS)},
        "judged": judged,
    }
    for other in (1, 2):
        low, high = interval_of(means[:, 0] - means[:, other])
        difference = float((values[:, 0] - values[:, other]).mean())
        found[f"over_{ORDERS[other]}"] = {"difference": difference, "low": low, "high": high}
    return found


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = new_parser(__doc__)
    add_outputs(parser)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/msrd"), help=DATA_HELP)
    parser.add_argument("--impressions", type=int, default=20_000, help="Number of searches of each log")
    parser.add_argument("--seeds", type=int, default=3, help="Number of logs of each world")
    parser.add_argument("--worlds", nargs="+", default=["music", "msrd"])
    return parser


def main() -> int:
    """Print the table of all worlds and the bars; return 1 if a bar is missed."""
    options = build_parser().parse_args()
    started = perf_counter()
    if not options.data.is_dir() and "msrd" in options.worlds:
        print(f"msrd is skipped: --data {options.data} is not a folder")
        options.worlds.remove("msrd")
    spark = build_session("ranker_correction", SparkSettings(master="local[2]"))
    rows = []
    for name in options.worlds:
        choice = WorldChoice(name, options.data if name == "msrd" else None)
        rows.append(measure(spark, build_world(choice, default_cache()), options.impressions, options.seeds))
    spark.stop()
    print("| world | queries | fusion | without correction | with correction | difference (95 %) |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        over = row["over_uncorrected"]
        print(
            f"| {row['world']} | {row['queries']:,} | {row['fusion']:.4f} | {row['uncorrected']:.4f} | "
            f"{row['corrected']:.4f} | {over['difference']:+.4f} ({over['low']:+.4f} to {over['high']:+.4f}) |"
        )
    bars = {f"correction orders better, {row['world']}": row["over_uncorrected"]["low"] > 0.0 for row in rows}
    write_json(options.json, {"rows": rows, "bars": bars})
    return report_bars(bars, f"{perf_counter() - started:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
