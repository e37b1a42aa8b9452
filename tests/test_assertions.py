"""`tests.assertions` finds differences that the comparison of PySpark does not."""

import pytest

from tests.assertions import assert_rows_equal, is_same_value

SCHEMA = "key string, value double"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1.1, None])
def test_a_wrong_value_is_noticed(spark, wrong):
    right = spark.createDataFrame([("a", 1.0)], SCHEMA)
    with pytest.raises(AssertionError, match="values differ"):
        assert_rows_equal(spark.createDataFrame([("a", wrong)], SCHEMA), right, key=["key"])


def test_nan_on_both_sides_passes_only_when_asked_for(spark):
    undefined = spark.createDataFrame([("a", float("nan"))], SCHEMA)
    assert_rows_equal(undefined, undefined, key=["key"], finite=False)
    with pytest.raises(AssertionError):
        assert_rows_equal(undefined, undefined, key=["key"])


def test_order_does_not_matter_and_types_do(spark):
    rows = [("a", 1.0), ("b", 2.0)]
    assert_rows_equal(spark.createDataFrame(rows, SCHEMA), spark.createDataFrame(rows[::-1], SCHEMA), key=["key"])
    with pytest.raises(AssertionError, match="columns differ"):
        assert_rows_equal(
            spark.createDataFrame(rows, SCHEMA), spark.createDataFrame(rows, "key string, value float"), key=["key"]
        )


def test_doubled_and_missing_keys_are_noticed(spark):
    one, two = ([("a", 1.0)], [("a", 1.0), ("a", 1.0)])
    with pytest.raises(AssertionError, match="share a key"):
        assert_rows_equal(spark.createDataFrame(two, SCHEMA), spark.createDataFrame(one, SCHEMA), key=["key"])
    with pytest.raises(AssertionError, match="keys differ"):
        assert_rows_equal(spark.createDataFrame([], SCHEMA), spark.createDataFrame(one, SCHEMA), key=["key"])


def test_floats_are_compared_at_any_depth():
    assert is_same_value([{"a": [1.0, 2.0]}], [{"a": [1.0, 2.0 + 1e-12]}])
    assert not is_same_value([{"a": [1.0, 2.0]}], [{"a": [1.0, float("nan")]}])
    assert not is_same_value([1.0], [1.0, 1.0])
    assert not is_same_value(1, 1.0)
