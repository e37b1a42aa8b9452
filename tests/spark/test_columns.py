"""Schemas of tables: one error lists all faults, and no fault passes."""

import pytest

from ltrr.errors import SchemaError
from ltrr.spark.columns import conform, empty, schema_of
from ltrr.tables.table import Column, Table

VISITS = Table(
    "visits",
    ("visit_id",),
    (
        Column("visit_id", "string", "given"),
        Column("log_date", "date", "UTC"),
        Column("clicks", "bigint", "how many", "clicks"),
        Column("scores", "array<struct<name:string,value:double>>", "each", null="none"),
        Column("facts", "map<string,string>", "any", null="none"),
        Column("rate", "double", "derived", null="undefined", exact=False),
    ),
    ("log_date",),
    "ingest_logs",
    "A table of these tests.",
    "log_date",
)


def visits(spark, rows=(("v1", 3),)):
    frame = spark.createDataFrame(list(rows), "visit_id string, clicks bigint")
    return frame.selectExpr(
        "visit_id",
        "date'2026-03-01' log_date",
        "clicks",
        "array(named_struct('name', 'a', 'value', 1.5D)) scores",
        "map('k', visit_id) facts",
        "0.5D rate",
    )


def test_columns_come_out_in_the_declared_order_and_type(spark):
    shuffled = visits(spark).selectExpr("facts", "rate", "scores", "cast(clicks as int) clicks", "log_date", "visit_id")
    conformed = conform(shuffled, VISITS)
    assert conformed.columns == list(VISITS.column_names)
    assert conformed.schema["clicks"].dataType.simpleString() == "bigint"
    assert conformed.collect() == visits(spark).collect()


def test_all_faults_are_said_at_once(spark):
    wrong = visits(spark).selectExpr(
        "visit_id", "clicks * 1.5D clicks", "'x' colour", "log_date", "log_date facts", "rate"
    )
    with pytest.raises(SchemaError) as caught:
        conform(wrong, VISITS)
    for fault in (
        "clicks is double instead of bigint",
        "scores is missing",
        "colour is not declared",
        "facts is date instead of map<string,string>",
    ):
        assert fault in str(caught.value)
    assert "visits" in str(caught.value)


def test_nothing_is_narrowed_or_parsed_in_passing(spark):
    for kind in ("string", "double", "decimal(20,0)"):
        with pytest.raises(SchemaError, match="instead of bigint"):
            conform(visits(spark).selectExpr("* except (clicks)", f"cast(clicks as {kind}) clicks"), VISITS)


def test_a_nested_field_of_another_name_is_a_fault(spark):
    renamed = visits(spark).selectExpr("* except (scores)", "array(named_struct('name', 'a', 'score', 1.5D)) scores")
    with pytest.raises(SchemaError, match="scores is array"):
        conform(renamed, VISITS)


def test_null_is_allowed_where_the_catalog_gives_it_a_meaning(spark):
    unknown = visits(spark).selectExpr("* except (rate, facts)", "null rate", "null facts")
    assert conform(unknown, VISITS).first().rate is None


def test_an_empty_table_has_the_declared_columns(spark):
    assert empty(spark, VISITS).schema == schema_of(VISITS)
    assert empty(spark, VISITS).count() == 0
