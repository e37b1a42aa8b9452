"""Catalogue of entities: files of any number of entities -> rows of the table `entities`.

A catalogue has one JSON object per line, or one row of Parquet or CSV, per entity. Its fields are
those that a service gives as `EntityFields`; other fields are ignored. A catalogue with a faulty
line is refused as a whole: an entity that is left out silently looks like one that the catalogue
never had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from ltrr.errors import UsageError
from ltrr.logs.file_lines import read_lines
from ltrr.logs.landing import content_digest

FIELDS = ("title", "description", "people", "topics", "year", "popularity")
"""Fields of an entity besides its id, in the order of the table."""

_LISTS = ("people", "topics")
_TEXTS = ("title", "description", *_LISTS)
_NUMBERS = ("year", "popularity")
_CORRUPT = "_corrupt"
_LONGEST_EXCERPT = 80


@dataclass(frozen=True)
class CatalogueCounts:
    """Contents of a catalogue, in counts.

    Attributes:
        entities: Number of entities.
        titles: Number of entities with a title.
    """

    entities: int
    titles: int


def catalogue_version(files: Sequence[Path]) -> str:
    """Version of a catalogue: 16 hex digits of a hash of its files, in any order."""
    digests = sorted(content_digest(file) for file in files)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def read_catalogue(spark: SparkSession, files: Sequence[Path], version: str) -> DataFrame:
    """Rows of the table `entities` of a catalogue, in memory or on disk until the job ends.

    If an id is on several lines, the line with most fields counts; among those with equally many,
    the first in alphabetical order of its fields. So the order of lines and files does not matter.

    Args:
        spark: Spark session.
        files: Files on this machine, in the formats of logs.
        version: Version of the catalogue.

    Raises:
        UsageError: Lines have faults; the message names each kind with a line.
    """
    lines = read_lines(spark, "", [str(file.absolute()).lstrip("/") for file in files])
    parsed = parse_entities(lines).persist()
    _refuse_faults(parsed, files)
    return to_entities(parsed, version)


def count_entities(entities: DataFrame) -> CatalogueCounts:
    """Counts of the rows of one catalogue."""
    row = entities.agg(F.count(F.lit(1)).alias("entities"), F.count("title").alias("titles")).collect()[0]
    return CatalogueCounts(row["entities"], row["titles"])


def parse_entities(lines: DataFrame) -> DataFrame:
    """Lines -> entity_id, fields, `fault` and `excerpt`; blank lines are left out.

    `fault` is null, or says what is wrong with the line.

    >>> lines = spark.createDataFrame([
    ...     (b'{"id": 7, "title": "Halo", "people": ["Beyonce", "Ryan"], "year": "2008"}',),
    ...     (b'{"title": "no id"}',), (b'{"id": "e2", "year": "soon"}',), (b'{"id": ',)
    ... ], "line binary")
    >>> for row in parse_entities(lines).collect():
    ...     print(row.entity_id, row.title, row.people, row.year, row.fault)
    7 Halo Beyonce Ryan 2008.0 None
    None no id None None no id
    e2 None None None year is no number
    None None None None no JSON object
    """
    # Bytes that are no UTF-8 are a fault of their line, and must not stop the reading.
    text = F.regexp_replace(F.make_valid_utf8(F.col("line").cast("string")), "^\ufeff|\\s+$", "")
    named = lines.select(F.col("line"), text.alias("text")).where(F.trim("text") != "")
    schema = ", ".join(f"{name} string" for name in ("id", "entity_id", *FIELDS, _CORRUPT))
    content = F.from_json("text", schema, {"columnNameOfCorruptRecord": _CORRUPT})
    read = named.withColumn("content", content)
    entity_id = _filled(F.coalesce("content.entity_id", "content.id"))
    numbers = {name: F.col(f"content.{name}").try_cast("double") for name in _NUMBERS}
    return read.select(
        entity_id.alias("entity_id"),
        *(_text_of(name).alias(name) for name in _TEXTS),
        *(number.alias(name) for name, number in numbers.items()),
        _fault(entity_id, numbers).alias("fault"),
        F.substring("text", 1, _LONGEST_EXCERPT).alias("excerpt"),
    )


def to_entities(parsed: DataFrame, version: str) -> DataFrame:
    """Lines without faults -> (catalogue, entity_id): one row per id, as `read_catalogue` says.

    >>> rows = spark.sql('''SELECT *, NULL AS people, NULL AS topics, NULL AS popularity FROM VALUES
    ...     ('e1', 'B', NULL, 2008D), ('e1', 'C', NULL, NULL), ('e1', 'A', 'about A', NULL)
    ...     AS t(entity_id, title, description, year)''')
    >>> to_entities(rows, "v").select("entity_id", "title").collect()
    [Row(entity_id='e1', title='A')]
    """
    known = sum((F.col(name).isNotNull().cast("int") for name in FIELDS), start=F.lit(0))
    best = Window.partitionBy("entity_id").orderBy(F.desc(known), *(F.col(name).asc_nulls_last() for name in FIELDS))
    placed = parsed.withColumn("place", F.row_number().over(best)).where(F.col("place") == 1)
    return placed.select(F.lit(version).alias("catalogue"), "entity_id", *FIELDS)


def _filled(value: Column) -> Column:
    return F.when(F.trim(value) != "", value)


def _text_of(name: str) -> Column:
    """The text of a field; the items of a list are joined with a space."""
    text = F.col(f"content.{name}")
    if name in _LISTS:
        listed = F.from_json(text, "array<string>")
        text = F.when(text.startswith("["), F.concat_ws(" ", listed)).otherwise(text)
    return _filled(text)


def _fault(entity_id: Column, numbers: dict[str, Column]) -> Column:
    is_object = F.ltrim("text").startswith("{") & F.col(f"content.{_CORRUPT}").isNull()
    fault = F.when(~F.is_valid_utf8(F.col("line").cast("string")), "no UTF-8").when(~is_object, "no JSON object")
    fault = fault.when(entity_id.isNull(), "no id")
    for name, number in numbers.items():
        given = _filled(F.col(f"content.{name}"))
        is_finite = number.isNotNull() & ~F.isnan(number) & (F.abs(number) != float("inf"))
        fault = fault.when(given.isNotNull() & ~is_finite, f"{name} is no number")
    return fault.when(numbers["popularity"] < 0, "popularity is below 0")


def _refuse_faults(parsed: DataFrame, files: Sequence[Path]) -> None:
    found = (
        parsed.where("fault IS NOT NULL")
        .groupBy("fault")
        .agg(F.count(F.lit(1)).alias("lines"), F.min("excerpt").alias("excerpt"))
        .orderBy("fault")
        .collect()
    )
    if found:
        raise UsageError(
            "the catalogue has faulty lines, so nothing of it was taken",
            which=", ".join(str(file) for file in files[:3]),
            expected="one object per line with id and, where known, " + ", ".join(FIELDS),
            got="; ".join(f"{row['fault']} ({row['lines']} lines, such as {row['excerpt']})" for row in found),
            todo="correct these lines",
        )
