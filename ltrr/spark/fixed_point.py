"""Sums that are the same in any order, of numbers in units of 2^-20; and their decay weight.

Sums of doubles depend on the order in which Spark adds them; sums of whole numbers do not. A bigint
of this unit holds sums up to 8.8e12 with steps of 9.5e-7.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

UNITS_PER_ONE = 1 << 20


def to_fixed_point(value: Column) -> Column:
    """A double as bigint of unit 2^-20, rounded half to even.

    >>> values = spark.createDataFrame([(1.0,), (0.5,), (1e-9,)], "value double")
    >>> units = to_fixed_point(F.col("value"))
    >>> [row.units for row in values.select(units.alias("units")).collect()]
    [1048576, 524288, 0]
    """
    return F.rint(value * F.lit(float(UNITS_PER_ONE))).cast("bigint")


def from_fixed_point(units: Column) -> Column:
    """A bigint of unit 2^-20 as double; exact up to 2^53 units.

    >>> spark.range(524288, 524289).select(from_fixed_point(F.col("id")).alias("value")).collect()
    [Row(value=0.5)]
    """
    return units.cast("double") / F.lit(float(UNITS_PER_ONE))


def exact_sum(value: Column) -> Column:
    """Sum of doubles, each rounded to 2^-20, as a decimal of that unit; the same in any order.

    >>> values = spark.createDataFrame([(0.5,), (1e15,), (-1e15,)], "value double")
    >>> int(values.agg(exact_sum(F.col("value"))).first()[0])
    524288
    """
    return F.sum(F.rint(value * F.lit(float(UNITS_PER_ONE))).cast("decimal(38,0)"))


def decay_weight(age_days: Column, half_life_days: float) -> Column:
    """Weight at an age: 0.5 ** (age_days / half_life_days), in (0, 1] for ages >= 0.

    >>> ages = spark.createDataFrame([(0.0,), (14.0,), (28.0,)], "age_days double")
    >>> weight = decay_weight(F.col("age_days"), half_life_days=14.0)
    >>> [row.weight for row in ages.select(weight.alias("weight")).collect()]
    [1.0, 0.5, 0.25]
    """
    return F.pow(F.lit(0.5), age_days / F.lit(half_life_days))
