"""Schemas of tables: every frame gets the declared columns, or one error lists all faults."""

from functools import cache

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltrr.errors import SchemaError
from ltrr.tables.table import Table

# Message of the error that Spark raises for a row without a required value.
NULL_FAULT = "a value is missing where the catalog allows none"

# Casts that lose nothing: `conform` makes no others.
WIDENS = {
    ("tinyint", "int"),
    ("tinyint", "bigint"),
    ("smallint", "int"),
    ("smallint", "bigint"),
    ("int", "bigint"),
    ("int", "double"),
    ("float", "double"),
}


@cache
def schema_of(table: Table) -> T.StructType:
    """The declared schema as a Spark type; NOT NULL where the catalog allows no null.

    >>> from ltrr.tables.catalog import table
    >>> schema_of(table("forgotten_users")).simpleString()  # `spark` reads the types
    'struct<user_key:string,since:date>'
    """
    return T.StructType([T.StructField(c.name, T.DataType.fromDDL(c.type), c.nullable) for c in table.columns])


def empty(spark: SparkSession, table: Table) -> DataFrame:
    """A frame with the columns of `table` and no rows."""
    return spark.createDataFrame([], schema_of(table))


def schema_faults(schema: T.StructType, table: Table) -> list[str]:
    """All differences between `schema` and that of `table`; nullability is not compared.

    >>> from ltrr.tables.catalog import table
    >>> schema_faults(T.StructType.fromDDL("user_key int, sinse date"), table("forgotten_users"))
    ['since is missing', 'sinse is not declared', 'user_key is int instead of string']
    """
    got = {field.name: field.dataType.simpleString() for field in schema.fields}
    declared = {field.name: field.dataType.simpleString() for field in schema_of(table).fields}
    return [
        *(f"{name} is missing" for name in declared if name not in got),
        *(f"{name} is not declared" for name in got if name not in declared),
        *(f"{name} appears more than once" for name in got if schema.names.count(name) > 1),
        *(
            f"{name} is {got[name]} instead of {kind}"
            for name, kind in declared.items()
            if name in got and not _fits(got[name], kind)
        ),
    ]


def with_added_columns(rows: DataFrame, table: Table) -> DataFrame:
    """Same rows, with the nullable columns that were declared after they were written, as null."""
    missing = [column for column in table.columns if column.nullable and column.name not in rows.columns]
    return rows.withColumns({column.name: F.lit(None).cast(column.type) for column in missing})


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """The columns of `table` in their order and type; grain unchanged.

    Numbers are widened if nothing is lost. A null where the catalog allows none stops the write
    itself: a check before the write would cost a pass over the data.

    Raises:
        SchemaError: The message lists all columns that are missing, unexpected, doubled or of
            another type.
    """
    faults = schema_faults(frame.schema, table)
    if faults:
        raise SchemaError(
            "the frame does not match its table",
            which=table.name,
            expected=schema_of(table).simpleString(),
            got="; ".join(faults),
            todo="select and cast to the columns that the catalog declares",
        )
    return frame.selectExpr(*_selected(table))


@cache
def _selected(table: Table) -> tuple[str, ...]:
    """The columns as SQL: one call to Java each, where columns of Python take a dozen."""
    texts = {column.name: f"CAST(`{column.name}` AS {column.type})" for column in table.columns}
    required = [column.name for column in table.columns if not column.nullable]
    if required:
        # One test per row, in the expression of one column: it costs no pass, and the optimizer
        # keeps it because the column is written.
        missing = " OR ".join(f"`{name}` IS NULL" for name in required)
        names = ", ".join(f"CASE WHEN `{name}` IS NULL THEN '{name}' END" for name in required)
        fault = f"raise_error(concat('{NULL_FAULT}: {table.name}: ', concat_ws(', ', {names})))"
        texts[required[0]] = f"CASE WHEN {missing} THEN {fault} ELSE {texts[required[0]]} END"
    return tuple(f"{text} AS `{name}`" for name, text in texts.items())


def _fits(got: str, declared: str) -> bool:
    return got in (declared, "void") or (got, declared) in WIDENS
