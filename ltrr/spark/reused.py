"""Frames that a job uses several times: computed once, and with a short plan afterwards."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

FEW = 200_000
"""Most rows that are sent to each task. With 100 bytes each they are 20 MB, and on the driver."""


def reused(frame: DataFrame) -> DataFrame:
    """The same rows, computed at their first use and kept until no frame needs them.

    On a cluster the frame is cached, so rows of an executor that is lost are computed again. Such a
    frame contains its whole plan. Frames that are built on each other then have plans that double
    with each step: the last one of ingestion printed 18,000 lines, and Spark prints each plan
    several times.

    On one machine no executor is lost, so the frame gets a local checkpoint, whose plan is one
    node. A small night of ingestion takes a quarter less time.
    """
    if str(frame.sparkSession.sparkContext.master).startswith("local"):
        return frame.localCheckpoint(eager=False)
    return frame.persist()


def few(frame: DataFrame) -> DataFrame:
    """The same rows, computed now and kept; joins send them to each task if they are few.

    Spark learns how many rows a join has only after it has shuffled both sides. A night seldom has
    many repeated or refused lines, and without them its lines need no shuffle. With more rows than
    `FEW` the joins shuffle, as at 1,000x the data where a log repeats itself.
    """
    kept = reused(frame)
    return F.broadcast(kept) if kept.count() <= FEW else kept
