"""Trains the ranker: XGBoost's `rank:ndcg`, distributed over Spark tasks, with one group per click.

XGBoost takes one weight per group, and divides a group's gains by their best order. So 1 /
examination must be the weight of a group and not its label: on a page with one click, a label of 5
has the same effect as a label of 1. SparkXGBRanker 3.2 cannot give group weights: its weight column
has one value per row, which XGBoost refuses (dmlc/xgboost, issues 3454 and 4168). So the tasks here
call XGBoost directly, in one barrier stage:

- Rows are in `num_workers` partitions, by a hash of the impression, in a total order. So a frequent
  query is spread over workers, and the same rows give the same trees.
- XGBoost scales the weights of each worker to a mean of 1. Partitions by impression have nearly the
  same mean: with n groups each, it differs by sd(weight) / (mean(weight) sqrt(n)), 1 % at 10,000
  groups.
- With too few free slots the barrier stage waits or fails, so free slots are counted first.
- The tracker that connects the workers runs in the first task, so a repeated stage gets a new one.

Each tree sums gradients of all workers, so the data of one partition must fit the memory of one
task. For more data, use more workers (for 100 executors: num_workers 100, spark.task.cpus threads
each) without dynamic allocation.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import BarrierTaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.arrays import Floats32, Longs
from ltrr.errors import NotReadyError
from ltrr.ranking.rows import PAGE, to_click_groups, to_clicks
from ltrr.ranking.settings import RankerSettings
from ltrr.spark.hashing import HashUse, salted_hash

_GROUP = (*PAGE, "clicked")


def count_clicked_queries(rows: DataFrame) -> int:
    """Number of queries with a click."""
    clicked = rows.where("gain > 0").agg(F.count_distinct("query_key").alias("queries"))
    return int(clicked.collect()[0]["queries"])


def train_ranker(rows: DataFrame, feature_names: Sequence[str], settings: RankerSettings) -> bytes:
    """Train a booster and return its `ubj` bytes.

    Args:
        rows: Training rows of the table `ranking_rows`, whole impressions only, with at least
            `settings.min_queries` clicked queries.
        feature_names: Names of the columns of `features`.
        settings: Settings of the ranker.

    Raises:
        NotReadyError: There are fewer free slots than workers.
    """
    check_slots(rows.sparkSession, settings.num_workers)
    clicks = to_clicks(rows, settings.query_impressions)
    threads = int(rows.sparkSession.sparkContext.getConf().get("spark.task.cpus", "1"))
    training = _train_task(_parameters(feature_names, settings, threads), settings, len(feature_names))
    groups = partition_groups(to_click_groups(rows, clicks), settings.num_workers)
    return bytes(groups.mapInArrow(training, "model binary", barrier=True).collect()[0]["model"])


def partition_groups(groups: DataFrame, workers: int) -> DataFrame:
    """Put whole groups into `workers` partitions by a hash of the impression, in a total order."""
    part = F.pmod(salted_hash(HashUse.RANKER_PART, *PAGE), F.lit(workers)).cast("int")
    return groups.repartitionById(workers, part).sortWithinPartitions(*_GROUP, "entity_id")


def monotone_constraints(feature_names: Sequence[str], monotone: Sequence[str]) -> str:
    """XGBoost's `monotone_constraints`: 1 for features whose higher values never lower the score.

    >>> names = ["fusion", "query_words", "score:memory"]
    >>> monotone_constraints(names, ["score:memory", "score:title"])
    '(0,0,1)'
    """
    return "(" + ",".join(str(int(name in monotone)) for name in feature_names) + ")"


def check_slots(spark: SparkSession, workers: int) -> None:
    """Check that `workers` tasks can run at once.

    Raises:
        NotReadyError: They cannot (yet).
    """
    context = spark.sparkContext._jsc.sc()  # noqa: SLF001  # PySpark has no public way to ask
    profile = context.resourceProfileManager().resourceProfileFromId(0)
    slots = int(context.maxNumConcurrentTasks(profile))
    if slots < workers:
        raise NotReadyError(
            "the ranker's workers must all run at once",
            which="ranker.num_workers",
            expected=f"{workers} free task slots",
            got=f"{slots}",
            todo="wait for executors, give the job more cores, or lower ranker.num_workers",
        )


def _parameters(feature_names: Sequence[str], settings: RankerSettings, threads: int) -> dict[str, Any]:
    return {
        "objective": "rank:ndcg",
        # With labels 0 and 1 both forms of gain are equal, and none overflows.
        "ndcg_exp_gain": False,
        # All pairs with an entity at one of the best positions, instead of a random sample of
        # pairs.
        "lambdarank_pair_method": "topk",
        "lambdarank_num_pair_per_sample": settings.ndcg_positions,
        # Off. The first would scale down groups whose clicked entity is deep, which have the
        # largest weights. The second would enlarge pairs with nearly equal scores. Without both,
        # the gradient is that of weighted DCG.
        "lambdarank_normalization": False,
        "lambdarank_score_normalization": False,
        "tree_method": "hist",
        "max_depth": settings.max_depth,
        "learning_rate": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "monotone_constraints": monotone_constraints(feature_names, settings.monotone),
        "seed": 0,
        "nthread": threads,
    }


def _train_task(
    parameters: dict[str, Any], settings: RankerSettings, features: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    workers, trees = settings.num_workers, settings.trees

    def train(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import xgboost
        from xgboost.collective import CommunicatorContext

        context = BarrierTaskContext.get()
        joined = _join_workers(context, workers)
        values, labels, sizes, weights = _to_arrays(list(batches), features)
        output = StringIO()
        with redirect_stdout(output), CommunicatorContext(**joined, dmlc_task_id=str(context.partitionId())):
            matrix = xgboost.DMatrix(values, label=labels, nthread=parameters["nthread"])
            matrix.set_group(sizes)
            matrix.set_weight(weights)
            booster = xgboost.train(parameters, matrix, trees)
        # XGBoost prints one line per worker at any verbosity. Other lines go to stderr.
        sys.stderr.writelines(line for line in output.getvalue().splitlines(True) if " got rank " not in line)
        context.barrier()
        if context.partitionId() == 0:
            yield pa.RecordBatch.from_pydict({"model": [bytes(booster.save_raw("ubj"))]})

    return train


def _join_workers(context: BarrierTaskContext, workers: int) -> dict[str, Any]:
    """Arguments to reach the tracker, which the first task starts on its own host."""
    arguments = ""
    if context.partitionId() == 0:
        from xgboost.tracker import RabitTracker

        host = context.getTaskInfos()[0].address.rsplit(":", 1)[0]
        tracker = RabitTracker(n_workers=workers, host_ip=socket.gethostbyname(host), sortby="task")
        tracker.start()
        Thread(target=tracker.wait_for, daemon=True).start()
        arguments = json.dumps(tracker.worker_args())
    joined: dict[str, Any] = json.loads(context.allGather(arguments)[0])
    return joined


def _to_arrays(batches: Sequence[pa.RecordBatch], features: int) -> tuple[Floats32, Floats32, Longs, Floats32]:
    """A partition as arrays: features [N, F], labels [N], and sizes [G] and weights [G] of groups.

    A missing score is NaN, which XGBoost treats as missing. A group is a run of rows with equal
    keys.
    """
    if not any(batch.num_rows for batch in batches):
        return (
            np.empty((0, features), np.float32),
            np.empty(0, np.float32),
            np.empty(0, np.int64),
            np.empty(0, np.float32),
        )
    rows = pa.Table.from_batches(batches).combine_chunks()
    values = rows["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    begins = np.zeros(rows.num_rows, dtype=bool)
    begins[0] = True
    for name in _GROUP:
        keys = rows[name].combine_chunks()
        begins[1:] |= pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(begins)
    return (
        values.reshape(rows.num_rows, features).astype(np.float32),
        rows["label"].to_numpy().astype(np.float32),
        np.diff(np.append(starts, rows.num_rows)),
        rows["weight"].to_numpy()[starts].astype(np.float32),
    )
