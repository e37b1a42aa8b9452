"""Logs in Parquet files: only the needed columns are read, and each file by its own types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltrr.errors import UsageError
from ltrr.ope.log_paths import CANNOT_READ, LogPath, escape_pattern, find_log
from ltrr.ope.named_columns import check_names, list_shortly
from ltrr.ope.parquet_types import FileColumns, join_types, read_file_columns
from ltrr.ope.rows import LogColumns

_FOOTERS_ON_DRIVER = 64


def read_parquet(spark: SparkSession, path: str, columns: LogColumns) -> DataFrame:
    """The needed columns of a log; all columns that Spark can read, if none is named.

    A column of different types in several files gets the type that holds them all: an integer is a
    number. Other columns do not matter, whatever their types.

    Raises:
        UsageError: A file is not Parquet, lacks a needed column, or has it in a type that cannot be
            read.
        LtrrError: A file is damaged.
    """
    log = find_log(path)
    if not log.files:
        return spark.read.parquet(path)
    files = read_all_columns(spark, log)
    named = columns.map_meanings()
    kept = list(dict.fromkeys(named.values())) if columns.target_propensity else _list_common(files)
    in_folders = [name for name in kept if all(_has_folder(log, file, name) for file in files)]
    kept = [name for name in kept if name not in in_folders or name in files[0].types]
    for file in files:
        _check_file(log, file, {m: name for m, name in named.items() if name in kept}, files[0])
    joined = {name: _join_all(name, files) for name in kept}
    # A column without a value in any file.
    types = {name: T.StringType() if isinstance(kind, T.NullType) else kind for name, kind in joined.items()}
    frames = [
        _read_group(spark, log, group, types, in_folders, is_whole=len(group) == len(files))
        for group in _group_by_types(files, kept)
    ]
    return reduce(lambda one, other: one.unionByName(other), frames)


def read_all_columns(spark: SparkSession, log: LogPath) -> list[FileColumns]:
    """Columns of every file of a log, in the order of the files."""
    if len(log.files) <= _FOOTERS_ON_DRIVER:
        return [read_file_columns(address) for address in log.files]
    tasks = 4 * spark.sparkContext.defaultParallelism
    found = spark.sparkContext.parallelize(log.files, tasks).map(read_file_columns).collect()
    return sorted(found, key=lambda file: file.address)


def list_parquet_columns(spark: SparkSession, log: LogPath) -> tuple[str, ...]:
    """Columns of the first file of a log, and those in the names of its folders."""
    if not log.files:
        return tuple(spark.read.parquet(log.given).columns)
    first = log.files[0]
    folders = first.removeprefix(log.root).split("/")[:-1]
    return (*read_file_columns(first).types, *(part.partition("=")[0] for part in folders if "=" in part))


def _to_spark_address(log: LogPath, address: str) -> str:
    return address.replace("s3://", "s3a://", 1) if log.given.startswith("s3a://") else address


def _list_common(files: Sequence[FileColumns]) -> list[str]:
    readable = [{name for name, kind in file.types.items() if kind is not None} for file in files]
    return [name for name in files[0].types if all(name in names for names in readable)]


def _has_folder(log: LogPath, file: FileColumns, name: str) -> bool:
    return f"/{name}=" in file.address.removeprefix(log.root).rpartition("/")[0] + "/"


def _check_file(log: LogPath, file: FileColumns, named: Mapping[str, str], first: FileColumns) -> None:
    missing = {meaning: name for meaning, name in named.items() if name not in file.types}
    if missing and file is not first:
        raise UsageError(
            "the files of the log have different columns",
            which=file.address,
            expected=f"{', '.join(missing.values())} as in {log.name(first.address)}",
            got=list_shortly(file.types),
            todo="take the file out of the folder, or write all files with the same columns",
        )
    check_names(missing, file.types)
    if repeated := sorted(file.repeated & set(named.values())):
        raise UsageError(
            CANNOT_READ, which=file.address, expected="each column once", got=f"twice: {', '.join(repeated)}"
        )
    alike = {name.lower(): name for name in named.values()}
    for name in file.types:
        if alike.get(name.lower(), name) != name:
            raise UsageError(
                "two columns differ only in upper and lower case, which Spark does not distinguish",
                which=file.address,
                got=f"{alike[name.lower()]} and {name}",
                todo="give one of them another name",
            )
    for meaning, name in named.items():
        if name in file.texts:
            kind = file.texts[name]
            raise UsageError(
                "a column is of a type that Spark cannot read",
                which=f"{name} in {file.address}",
                expected="a type such as double, string or timestamp in microseconds",
                got=f"{meaning}: {kind}",
                todo="write it in microseconds" if "timestamp" in kind else "write it as a number or as text",
            )


def _join_all(name: str, files: Sequence[FileColumns]) -> T.DataType:
    """The type of a column that holds the values of all files."""
    joined = files[0].types[name]
    for file in files:
        kind = file.types[name]
        both = join_types(joined, kind) if joined is not None and kind is not None else None
        if both is None:
            raise UsageError(
                "files of the log have a column in types that exclude each other",
                which=f"{name} in {file.address}",
                expected=f"{joined.simpleString()} as in {files[0].address}" if joined else "",
                got=kind.simpleString() if kind else "",
                todo="write all files with the same types",
            )
        joined = both
    return joined if joined is not None else T.StringType()


def _group_by_types(files: Sequence[FileColumns], names: Sequence[str]) -> Iterator[list[FileColumns]]:
    """Files with the same types of the needed columns, together."""
    groups: dict[str, list[FileColumns]] = {}
    for file in files:
        groups.setdefault(str([file.types[name] for name in names]), []).append(file)
    yield from groups.values()


def _read_group(
    spark: SparkSession,
    log: LogPath,
    group: Sequence[FileColumns],
    types: Mapping[str, T.DataType],
    in_folders: Sequence[str],
    *,
    is_whole: bool,
) -> DataFrame:
    held = {name: group[0].types[name] for name in types}
    readable = {name: kind for name, kind in held.items() if kind is not None and not isinstance(kind, T.NullType)}
    reader = spark.read.schema(T.StructType([T.StructField(name, kind) for name, kind in readable.items()]))
    if log.is_folder:
        reader = reader.option("basePath", log.root)
    paths = [log.root] if is_whole and log.is_folder else [_to_spark_address(log, file.address) for file in group]
    rows = reader.parquet(*map(escape_pattern, paths))
    columns = [
        (F.col(f"`{name}`") if name in readable else F.lit(None)).cast(kind).alias(name) for name, kind in types.items()
    ]
    return rows.select(*columns, *(F.col(f"`{name}`") for name in in_folders if name not in types))
