"""How much of what is wanted do learned plans find, on queries never searched before?

    python benchmarks/retrieval.py --world msrd --data DIR [--json OUT] [--seeds 5] [--hybrid]

A log of a uniform policy is simulated, 200,000 searches of three quarters of the queries; values are learned from it,
and for every way of looking before choosing (`observe`) a plan is taken for every query. Recall of the union over the
whole catalogue is exact; blocks of 2, budget 4. `share` is the part closed of the gap from the best static plan of the
slice (chosen by true recall on seen queries; with or without memory, whichever is better there) to the exact best plan
of every query. Intervals: paired bootstrap over queries, 95 %, on the mean over seeds. Exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from learned_retrieval import modes
from learned_retrieval.exploring import exploration_rows
from learned_retrieval.log import Log, Pairs, simulate
from learned_retrieval.report import Judged, markdown, print_rows, rows_of
from learned_retrieval.stopping import stop_rows
from learned_retrieval.values import Learner, Views, coverages
from learned_retrieval.visibility import library_of
from learned_retrieval.vw import vw_values
from numpy.typing import NDArray

from ltrr.bandit.values import ValueSettings
from ltrr.core.planning import History, plan_values
from ltrr.core.plans import PlanSpace
from ltrr.simulation.msrd import msrd_world
from ltrr.simulation.music import music_world
from ltrr.simulation.rankings import NOBODY, default_cache
from ltrr.simulation.truth import union_recalls
from ltrr.simulation.world import World

Floats = NDArray[np.float64]

BARS = (
    ("all_blocks", "value_planner", "unseen", 0.55),
    ("all_blocks", "value_planner", "head", 0.75),
    ("all_blocks", "vw", "unseen", 0.53),
    ("first_look", "value_planner", "unseen", 0.32),
    ("first_look", "value_planner", "head", 0.46),
    ("first_look", "offline_plans", "head", 0.70),
    ("drawn", "value_planner", "unseen", 0.22),
    ("blind", "offline_plans", "head", 0.70),
)
"""Least share of the gap: observe, policy, slice, share."""


def recalled(pairs: Pairs, log: Log, limit: int) -> NDArray[np.int32]:
    """Entity numbers that the memory recalls for each query, [Q, limit]."""
    numbers = np.full((len(pairs.entities), limit), NOBODY, dtype=np.int32)
    query, column = np.nonzero(log.memory)
    numbers[query, log.memory[query, column] - 1] = pairs.entities[query, column]
    return numbers


def judge(world: World, space: PlanSpace, impressions: int, seed: int) -> Judged:
    """Everything learned from one log, judged by the truth."""
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"seed {seed}: {what} ({time.monotonic() - started:.0f} s)", file=sys.stderr, flush=True)

    pairs = Pairs.of(world)
    log = simulate(world, pairs, space, impressions, seed)
    library = library_of(world, space, pairs, log)
    everything = np.arange(len(world.queries))
    truth = union_recalls(world, space, everything, recalled(pairs, log, world.limit))
    seen = ~world.unseen & (log.drawn.sum(axis=1) > 0)
    learner = Learner(log, pairs, world.entity_ids, world.keys, seen, ValueSettings())
    study = modes.Study(learner, library, library.without_memory(), seed)
    say(f"{len(log.queries):,} searches of {len(np.unique(log.queries)):,} queries")
    judged = Judged(world, space, truth)
    judged.add_static(~world.unseen)
    full = study.views(library, study.depths(space.budget))
    prior = History.prior(space)
    for observe, views in (("all_blocks", full), ("first_look", study.views(library, study.depths(1)))):
        unlearned = np.array([plan_values(space, blocks, prior) for blocks in views.blocks])
        judged.add(observe, "reciprocal_rank_planner", unlearned.argmax(axis=1))
    views, worth = modes.all_blocks(study)
    every = coverages(views, worth)
    _add_planner_and_vw(judged, study, "all_blocks", views, every)
    judged.add_best_candidates(modes.best_candidates(study, worth))
    judged.extra += stop_rows(study, world, worth, recalled(pairs, log, world.limit))
    judged.extra += exploration_rows("all_blocks", every, judged)
    say("all_blocks")
    labels = modes.labels_of(study, looked=1)
    say("labels")
    first = modes.at_once(study, labels, depth=1)
    _add_planner_and_vw(judged, study, "first_look", study.views(library, study.depths(1)), first)
    # A query that was logged can be planned offline with every block fetched once.
    logged = seen[:, None]
    judged.add("first_look", "offline_plans", np.where(logged, every, first).argmax(axis=1))
    judged.extra += exploration_rows("first_look", first, judged)
    say("first_look")
    labels = modes.labels_of(study, looked=0)
    unsighted = modes.at_once(study, labels, depth=0)
    _add_planner_and_vw(judged, study, "blind", study.views(library, study.depths(0)), unsighted)
    judged.add("blind", "offline_plans", np.where(logged, every, unsighted).argmax(axis=1))
    say("blind")
    judged.add("drawn", "value_planner", modes.drawn(study, labels))
    say("drawn")
    return judged


def _add_planner_and_vw(judged: Judged, study: modes.Study, observe: str, views: Views, values: Floats) -> None:
    """The planner over learned values, Vowpal Wabbit over its shortlist, and both half and half."""
    judged.add(observe, "value_planner", values.argmax(axis=1))
    scores = vw_values(study, views, values, observe)
    judged.add(observe, "vw", scores.argmax(axis=1))
    judged.add(observe, "vw_planner", (values + scores).argmax(axis=1))


def main() -> int:
    """Print the table; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=("msrd", "music"), default="msrd")
    parser.add_argument("--data", type=Path, help="folder with corpus.jsonl.gz and judgments.tsv.gz, for msrd")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path, help="the tables as Markdown")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--impressions", type=int, default=200_000)
    parser.add_argument("--hybrid", action="store_true", help="with the seventh strategy")
    arguments = parser.parse_args()
    if arguments.world == "msrd" and arguments.data is None:
        parser.error("--world msrd needs --data DIR")
    cache = default_cache()
    world = (
        msrd_world(arguments.data, hybrid=arguments.hybrid, cache_folder=cache)
        if arguments.world == "msrd"
        else music_world(hybrid=arguments.hybrid, cache_folder=cache)
    )
    space = PlanSpace(world.strategies, world.block_size, world.budget)
    rows = rows_of([judge(world, space, arguments.impressions, seed) for seed in range(1, arguments.seeds + 1)])
    print_rows(rows)
    if arguments.json:
        arguments.json.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    if arguments.table:
        arguments.table.write_text(markdown(rows, world.name, arguments.impressions), encoding="utf-8")
    missed = [] if arguments.world == "music" else _missed(rows)
    print("bars: " + ("; ".join(missed) if missed else "all hold"))
    return 1 if missed else 0


def _missed(rows: list[Mapping[str, object]]) -> list[str]:
    shares = {(row["observe"], row["policy"], row["slice"]): row.get("share") for row in rows}
    found = []
    for observe, policy, part, least in BARS:
        share = shares.get((observe, policy, part))
        if not isinstance(share, float) or share < least:
            found.append(f"{observe} {policy} {part}: share {share} is below {least}")
    low = {(row["observe"], row["policy"], row["slice"]): row.get("over_static_low") for row in rows}
    blind = low.get(("blind", "value_planner", "unseen"))
    if not isinstance(blind, float) or blind < -0.005:
        found.append(f"blind unseen: the interval over the static plan reaches {blind}, below -.005")
    return found


if __name__ == "__main__":
    sys.exit(main())
