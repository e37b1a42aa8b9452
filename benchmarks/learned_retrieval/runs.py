"""Studies of several simulated logs of one world, each in its own process."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.command_line import DATA_HELP, ROWS_HELP, TABLE_HELP, add_outputs, new_parser
from ltrr.simulation.msrd import msrd_world
from ltrr.simulation.music import music_world
from ltrr.simulation.rankings import default_cache
from ltrr.simulation.world import World

Result = TypeVar("Result")


def logs_parser(description: str | None, *, seeds: int) -> argparse.ArgumentParser:
    """Parser with the options of a study of logs of one world."""
    parser = new_parser(description)
    add_outputs(parser, json_help=ROWS_HELP, table_help=TABLE_HELP)
    parser.add_argument("--world", choices=("msrd", "music"), default="msrd")
    parser.add_argument("--data", type=Path, help=DATA_HELP)
    parser.add_argument("--seeds", type=int, default=seeds, help="Number of logs, each with its own seed")
    parser.add_argument("--jobs", type=int, default=2, help="Number of logs at a time; each takes about 3 GB")
    return parser


def world_of(name: str, data: Path | None, *, hybrid: bool) -> World:
    """World with its rankings, which are computed once and cached."""
    cache = default_cache()
    if name == "music":
        return music_world(hybrid=hybrid, cache_folder=cache)
    if data is None:
        raise SystemExit("--world msrd needs --data DIR, the folder with corpus.jsonl.gz and judgments.tsv.gz")
    return msrd_world(data, hybrid=hybrid, cache_folder=cache)


def study_logs(study: Callable[[Any], Result], tasks: Iterable[Any], jobs: int) -> Iterator[Result]:
    """Results of `study` in the order of the tasks, each as soon as those before it exist.

    At most `jobs` processes run at a time.
    """
    # The logs run in parallel: threads of small matrix products would wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as processes:
        yield from processes.map(study, tasks)
