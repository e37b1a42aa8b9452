"""The catalogue of entities of a home: taken from files, and read by nights and reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.config import HOME_FILE, Settings, write_home_file
from ltrr.config.strict_yaml import read_yaml
from ltrr.errors import ConfigError
from ltrr.logs.catalogue import CatalogueCounts, catalogue_version, count_entities, read_catalogue
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table


def store_catalogue(spark: SparkSession, settings: Settings, files: Sequence[Path]) -> tuple[str, CatalogueCounts]:
    """Store a catalogue in the table `entities`, and name its version in the home's file.

    The version is a hash of the files, so the same files are stored once. Earlier versions stay:
    a rerun of a night with the settings of that night reads the same rows. The caller holds the
    lease of the home.

    Returns:
        Version and counts of the catalogue.

    Raises:
        UsageError: Lines of the catalogue have faults. Nothing is stored then.
    """
    version, declared = catalogue_version(files), table("entities")
    warehouse = Warehouse(spark, settings.paths.tables, settings.nights.readable_days)
    of_version = F.col("catalogue") == F.lit(version)
    if not warehouse.read(declared).where(of_version).limit(1).count():
        warehouse.replace(declared, read_catalogue(spark, files, version), f"catalogue = '{version}'")
    file = settings.paths.home / HOME_FILE
    given = read_yaml(file) if file.exists() else {}
    write_home_file(settings.paths.home, {**given, "catalogue": version})
    return version, count_entities(warehouse.read(declared).where(of_version))


def only_catalogue(entities: DataFrame, version: str) -> DataFrame | None:
    """Rows of `entities` of the version that the settings name; None without one.

    Raises:
        ConfigError: The table does not have this version.
    """
    if not version:
        return None
    rows = entities.where(F.col("catalogue") == F.lit(version))
    if not rows.limit(1).count():
        known = sorted(row["catalogue"] for row in entities.select("catalogue").distinct().collect())
        raise ConfigError(
            "the table `entities` does not have the catalogue",
            which="catalogue",
            expected=" or ".join(known) or "a version that `ltrr entities` has printed",
            got=version,
            todo="run `ltrr entities FILE`, which stores a catalogue and names its version in the home",
        )
    return rows


def find_titles(warehouse: Warehouse, version: str, entity_ids: Collection[str]) -> dict[str, str]:
    """entity_id -> title, of entities in the catalogue with a title; empty without a catalogue.

    The driver collects one title per id, so a report asks for the ids that it shows.

    Args:
        warehouse: Tables of the home.
        version: Setting `catalogue`.
        entity_ids: Ids that the report shows.

    Raises:
        ConfigError: The table does not have this version.
    """
    rows = only_catalogue(warehouse.read(table("entities")), version)
    if rows is None or not entity_ids:
        return {}
    asked = warehouse.spark.createDataFrame([(name,) for name in sorted(set(entity_ids))], "entity_id string")
    found = rows.where("title IS NOT NULL").join(F.broadcast(asked), on="entity_id", how="left_semi")
    return {row["entity_id"]: row["title"] for row in found.select("entity_id", "title").collect()}
