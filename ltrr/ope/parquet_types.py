"""Types of columns in a log's Parquet files, and the type that holds the values of all files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import types as T

from ltrr.errors import LtrrError, UsageError
from ltrr.ope.detection import detect_file
from ltrr.ope.log_paths import open_file

NOT_PARQUET = "a file is not Parquet"
_MAGIC = b"PAR1"
_SPARK_TYPES: Mapping[pa.DataType, T.DataType] = {
    pa.bool_(): T.BooleanType(),
    pa.int8(): T.ByteType(),
    pa.int16(): T.ShortType(),
    pa.int32(): T.IntegerType(),
    pa.int64(): T.LongType(),
    pa.uint8(): T.ShortType(),
    pa.uint16(): T.IntegerType(),
    pa.uint32(): T.LongType(),
    pa.uint64(): T.DecimalType(20, 0),
    pa.float32(): T.FloatType(),
    pa.float64(): T.DoubleType(),
    pa.string(): T.StringType(),
    pa.large_string(): T.StringType(),
    pa.string_view(): T.StringType(),
    pa.binary(): T.BinaryType(),
    pa.large_binary(): T.BinaryType(),
    pa.date32(): T.DateType(),
    pa.null(): T.NullType(),
}


@dataclass(frozen=True)
class FileColumns:
    """Columns of one file.

    Attributes:
        address: The file.
        types: Name -> Spark's type; None if Spark cannot read the column.
        texts: Name -> the type's name in Parquet, of columns that Spark cannot read.
        repeated: Names that several columns have.
    """

    address: str
    types: Mapping[str, T.DataType | None]
    texts: Mapping[str, str]
    repeated: frozenset[str] = frozenset()


@contextmanager
def name_damage(address: str) -> Iterator[None]:
    """Raise an error that names the file, if Arrow cannot read it within the block.

    Raises:
        LtrrError: The file is cut off or damaged.
    """
    try:
        yield
    except (pa.ArrowInvalid, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno:
            raise
        raise LtrrError(
            "a Parquet file is cut off or damaged",
            which=unquote(address.removeprefix("file://")),
            expected="a whole Parquet file",
            got=str(fault).partition(". ")[0],
            todo="have it written again, or take it out of the folder",
        ) from fault


def read_file_columns(address: str) -> FileColumns:
    """Columns of a file from its footer.

    Raises:
        UsageError: The file is not Parquet.
        LtrrError: The file is cut off or damaged.
    """
    with open_file(address) as file:
        head = file.read(1 << 12)
        if not head.startswith(_MAGIC):
            raise UsageError(
                NOT_PARQUET,
                which=address,
                expected="only Parquet files, or --format with the format of the log",
                got=detect_file(head).sign,
                todo="take it out of the folder, or give it a name that begins with _ or .",
            )
        with name_damage(address):
            footer = pq.ParquetFile(file)
            schema = footer.schema_arrow
            held = {footer.schema.column(n).path: footer.schema.column(n) for n in range(len(footer.schema))}
    old = {name for name, column in held.items() if column.physical_type == "INT96"}
    types = {entry.name: T.TimestampType() if entry.name in old else to_spark_type(entry.type) for entry in schema}
    texts = {entry.name: str(entry.type) for entry in schema if types[entry.name] is None}
    repeated = frozenset(name for name in schema.names if schema.names.count(name) > 1)
    return FileColumns(address, types, texts, repeated)


def to_spark_type(kind: pa.DataType) -> T.DataType | None:
    """Spark's type of a Parquet column; None if Spark cannot read it.

    >>> to_spark_type(pa.uint32()), to_spark_type(pa.list_(pa.float32()))
    (LongType(), ArrayType(FloatType(), True))
    >>> to_spark_type(pa.timestamp("ns", "UTC"))
    """
    if isinstance(kind, pa.DictionaryType):
        return to_spark_type(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        element = to_spark_type(kind.value_type)
        return None if element is None else T.ArrayType(element)
    if pa.types.is_timestamp(kind):
        return None if kind.unit == "ns" else T.TimestampType() if kind.tz else T.TimestampNTZType()
    if pa.types.is_decimal128(kind):
        return T.DecimalType(kind.precision, kind.scale)
    if pa.types.is_struct(kind):
        fields = [(field.name, to_spark_type(field.type)) for field in kind]
        return T.StructType([T.StructField(name, one) for name, one in fields if one is not None])
    return _SPARK_TYPES.get(kind)


def join_types(one: T.DataType, other: T.DataType) -> T.DataType | None:
    """The type that holds the values of both; None if there is none.

    Whole numbers and fractions are numbers. A number and a text are text.

    >>> join_types(T.LongType(), T.DoubleType()), join_types(T.IntegerType(), T.LongType())
    (DoubleType(), LongType())
    >>> join_types(T.StringType(), T.LongType())
    StringType()
    >>> join_types(T.ArrayType(T.DoubleType()), T.DoubleType())
    """
    if one == other or isinstance(other, T.NullType):
        return one
    if isinstance(one, T.NullType):
        return other
    if isinstance(one, T.ArrayType) and isinstance(other, T.ArrayType):
        element = join_types(one.elementType, other.elementType)
        return None if element is None else T.ArrayType(element)
    if isinstance(one, T.NumericType) and isinstance(other, T.NumericType):
        whole = isinstance(one, T.IntegralType) and isinstance(other, T.IntegralType)
        return T.LongType() if whole else T.DoubleType()
    return T.StringType() if isinstance(one, T.AtomicType) and isinstance(other, T.AtomicType) else None
