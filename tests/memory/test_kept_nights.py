"""The memory's table keeps the newest nights, however many have been written."""

from datetime import date, timedelta

import pytest

from ltrr.memory.kept_nights import nights_to_replace
from ltrr.spark.columns import schema_of
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table

MEMORY = table("q2e_memory")
FIRST = date(2026, 3, 2)


@pytest.mark.spark
@pytest.mark.long
def test_a_night_drops_the_nights_that_are_no_longer_kept_and_a_rerun_drops_no_more(spark, tmp_path):
    tables = Warehouse(spark, str(tmp_path))

    def write(number):
        day = FIRST + timedelta(days=number)
        rows = [(day, "love", "e1", 0.5, 0.4, 0.6, 0.1, 2.0, 4.0)]
        tables.replace(MEMORY, spark.createDataFrame(rows, schema_of(MEMORY)), nights_to_replace(day, keep_nights=2))
        return sorted((row["as_of_date"] - FIRST).days for row in tables.read(MEMORY).collect())

    assert [write(number) for number in (0, 1, 2, 3, 3)] == [[0], [0, 1], [1, 2], [2, 3], [2, 3]]
