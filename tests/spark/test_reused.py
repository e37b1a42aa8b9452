"""A frame that is used several times is computed once, and its plan does not grow."""

import pytest
from pyspark.sql import functions as F

from ltrr.spark.reused import reused

pytestmark = pytest.mark.spark


def nodes(frame):
    return frame._jdf.queryExecution().optimizedPlan().treeString().count("\n")


def test_it_is_computed_once(spark):
    computed = spark.sparkContext.accumulator(0)

    def count(row):
        computed.add(1)
        return row

    rows = spark.sparkContext.parallelize([(n,) for n in range(20)], 3).map(count)
    frame = reused(spark.createDataFrame(rows, "id bigint"))
    assert frame.count() == 20
    assert frame.join(frame, on="id").count() == 20
    assert computed.value == 20


def test_frames_built_on_each_other_have_short_plans(spark):
    frame = spark.range(4).withColumn("value", F.col("id") * 2)
    for _ in range(6):
        frame = reused(frame.join(frame.groupBy("id").agg(F.max("value").alias("most")), on="id").select("id", "value"))
    assert nodes(frame) == 1
    assert sorted(frame.collect()) == [(n, 2 * n) for n in range(4)]
