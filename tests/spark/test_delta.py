"""Tables on disk: writes by partition, digests in any order, and clear errors."""

import os
import time
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from ltrr.errors import LtrrError, SchemaError
from ltrr.spark.delta import Warehouse, digest_of
from ltrr.tables.table import Column, Table
from tests.spark.test_columns import VISITS, visits

MARCH_1 = "log_date = DATE'2026-03-01'"
NOTES = Table(
    "notes",
    ("note_id", "part"),
    (
        Column("note_id", "string", "given"),
        Column("part", "int", "of it", null="whole"),
        Column("text", "string", "any"),
    ),
    (),
    "cli",
    "An append-only table of these tests.",
)


@pytest.fixture
def warehouse(spark, home):
    return Warehouse(spark, str(home / "tables"))


def many(spark, rows=500, partitions=3):
    return visits(spark, [(f"v{n}", n) for n in range(rows)]).repartition(partitions, "visit_id")


def test_replacing_twice_leaves_the_same_table(spark, warehouse):
    first = warehouse.replace(VISITS, many(spark), MARCH_1)
    again = warehouse.replace(VISITS, many(spark, partitions=2), MARCH_1)
    assert (first.rows, first.digest) == (again.rows, again.digest) == warehouse.digest(VISITS)
    assert again.version == first.version + 1 == warehouse.version(VISITS)


def test_a_partition_is_replaced_and_its_neighbours_stay(spark, warehouse):
    march_2 = many(spark).withColumn("log_date", F.lit("2026-03-02").cast("date"))
    warehouse.replace(VISITS, many(spark), MARCH_1)
    whole = warehouse.replace(VISITS, march_2, "log_date = DATE'2026-03-02'")
    warehouse.replace(VISITS, visits(spark), MARCH_1)
    assert warehouse.read(VISITS).groupBy("log_date").count().orderBy("log_date").collect()[0]["count"] == 1
    assert warehouse.read(VISITS).count() == 501
    # The earlier version is unchanged.
    assert warehouse.read(VISITS, whole.version).count() == 1000
    assert warehouse.digest(VISITS, where="log_date = DATE'2026-03-02'")[1] == whole.digest


def test_no_rows_empty_the_partition_and_create_the_table(spark, warehouse):
    none = warehouse.replace(VISITS, visits(spark, [("v", 1)]).where("clicks > 1"), MARCH_1)
    assert none.rows == 0
    assert warehouse.read(VISITS).count() == 0
    warehouse.replace(VISITS, visits(spark), MARCH_1)
    assert warehouse.replace(VISITS, visits(spark).limit(0), MARCH_1).digest == none.digest


def test_the_digest_of_a_write_is_that_of_what_is_on_disk_in_any_order(spark, warehouse):
    written = warehouse.replace(VISITS, many(spark), MARCH_1)
    digests = {digest_of(many(spark, partitions=n).orderBy(F.desc("clicks")), VISITS) for n in (1, 4)}
    assert digests == {(500, written.digest)} == {warehouse.digest(VISITS, written.version)}


@pytest.mark.parametrize(
    "change",
    [
        {"clicks": "clicks + 1"},
        {"visit_id": "concat(visit_id, 'x')"},
        {"facts": "map('k', 'other')"},
        {"facts": "null"},
        {"facts": "map()"},
        {"scores": "array()"},
        {"scores": "null"},
    ],
)
def test_the_digest_notices_every_change_of_an_exact_column(spark, change):
    changed = visits(spark).withColumns(
        {name: F.expr(f"cast({e} as {VISITS.column(name).type})") for name, e in change.items()}
    )
    assert digest_of(changed, VISITS)[1] != digest_of(visits(spark), VISITS)[1]


def test_the_digest_distinguishes_null_from_empty_and_doubled_rows_from_single_ones(spark):
    as_null, as_empty = (
        visits(spark).withColumn("scores", F.expr(f"cast({e} as {VISITS.column('scores').type})"))
        for e in ("null", "array()")
    )
    assert digest_of(as_null, VISITS) != digest_of(as_empty, VISITS)
    assert digest_of(visits(spark).union(visits(spark)), VISITS) != digest_of(visits(spark), VISITS)


def test_the_digest_ignores_derived_floats_and_the_order_of_a_map(spark):
    one, other = (
        visits(spark).withColumn("facts", F.expr(e)) for e in ("map('a','1','b','2')", "map('b','2','a','1')")
    )
    assert digest_of(one, VISITS) == digest_of(other.withColumn("rate", F.lit(0.25)), VISITS)


def test_a_missing_value_stops_the_write_and_names_the_column(spark, warehouse):
    unknown = visits(spark).selectExpr("* except (clicks)", "cast(null as bigint) clicks")
    with pytest.raises(SchemaError, match=r"visits: clicks"):
        warehouse.replace(VISITS, unknown, MARCH_1)
    assert warehouse.version(VISITS) is None


def test_rows_outside_the_replaced_partition_are_refused(spark, warehouse):
    warehouse.replace(VISITS, visits(spark), MARCH_1)
    with pytest.raises(SchemaError, match="outside the partition"):
        warehouse.replace(VISITS, visits(spark), "log_date = DATE'2026-03-02'")
    assert warehouse.version(VISITS) == 0


def test_a_table_on_disk_with_another_schema_is_refused_in_one_sentence(spark, warehouse):
    visits(spark).selectExpr("* except (clicks)", "'three' clicks").write.format("delta").save(
        warehouse.location(VISITS)
    )
    with pytest.raises(SchemaError, match="clicks is string instead of bigint"):
        warehouse.read(VISITS)
    with pytest.raises(SchemaError, match="another schema"):
        warehouse.replace(VISITS, visits(spark), MARCH_1)


def test_a_table_that_does_not_exist_yet_has_no_rows(warehouse):
    assert warehouse.version(VISITS) is None
    assert warehouse.read(VISITS).count() == 0


def test_a_version_that_never_was_is_named(spark, warehouse):
    warehouse.replace(VISITS, visits(spark), MARCH_1)
    with pytest.raises(LtrrError, match="at version 7"):
        warehouse.read(VISITS, 7)


def test_appending_the_same_rows_again_adds_nothing(spark, warehouse):
    notes = spark.createDataFrame([("a", None, "x"), ("b", 1, "y")], "note_id string, part int, text string")
    assert warehouse.append_new(NOTES, notes).rows == 2
    assert warehouse.append_new(NOTES, notes).rows == 0
    assert warehouse.append_new(NOTES, notes.union(notes.selectExpr("'c'", "part", "text").limit(1))).rows == 1
    assert warehouse.read(NOTES).count() == 3


@pytest.mark.long
def test_versions_are_readable_after_a_year_of_rest_and_a_vacuum(spark, warehouse):
    """By default Delta removes a version after a week and its log after a month."""
    path = warehouse.location(VISITS)
    first = warehouse.replace(VISITS, visits(spark, [("a", 1)]), MARCH_1)
    # Delta cleans its log when it writes a checkpoint, which is every ten commits.
    spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.checkpointInterval' = '1')")
    second = warehouse.replace(VISITS, visits(spark, [("b", 2)]), MARCH_1)
    then = time.time() - 400 * 86400
    for file in Path(path, "_delta_log").iterdir():
        if file.is_file():
            os.utime(file, (then, then))
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    third = warehouse.replace(VISITS, visits(spark, [("c", 3)]), MARCH_1)
    spark.sql(f"VACUUM delta.`{path}`")
    kept = [[row.visit_id for row in warehouse.read(VISITS, one.version).collect()] for one in (first, second, third)]
    assert kept == [["a"], ["b"], ["c"]]


def test_what_did_not_commit_is_undone_and_changes_of_properties_are_not(spark, warehouse):
    committed = warehouse.replace(VISITS, visits(spark, [("a", 1)]), MARCH_1)
    assert not warehouse.restore(VISITS, committed.version)
    spark.sql(f"ALTER TABLE delta.`{warehouse.location(VISITS)}` SET TBLPROPERTIES ('a' = 'b')")
    assert not warehouse.restore(VISITS, committed.version), "no row has changed"
    warehouse.replace(VISITS, visits(spark, [("dead", 1)]), MARCH_1)
    assert warehouse.restore(VISITS, committed.version)
    assert [row.visit_id for row in warehouse.read(VISITS).collect()] == ["a"]
    assert not warehouse.restore(VISITS, committed.version), "restored once"
    assert warehouse.restore(VISITS, None)
    assert warehouse.read(VISITS).isEmpty()
