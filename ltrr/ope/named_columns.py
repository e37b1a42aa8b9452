"""Check that a log has the named columns, with supported types."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from ltrr.errors import UsageError


def check_columns(
    log: DataFrame, named: Mapping[str, str], is_readable: Callable[[str, T.DataType], bool], expected: str
) -> dict[str, T.DataType]:
    """Check the named columns of a log; return the types of all its columns by name.

    Args:
        log: The log.
        named: Meaning -> column.
        is_readable: Whether a type can be read for a meaning.
        expected: Description of the types that can be read.

    Raises:
        UsageError: Columns are missing or of an unsupported type; all of them in one message.
    """
    types = {name: log.schema[name].dataType for name in log.columns}
    faults = [
        f"{meaning}: {name} is {types[name].simpleString()}" if name in types else f"{meaning}: there is no {name}"
        for meaning, name in named.items()
        if name not in types or not is_readable(meaning, types[name])
    ]
    if faults:
        raise UsageError(
            "columns are missing or of an unsupported type",
            expected=expected,
            got="; ".join(faults),
            todo=f"name columns of the log: it has {', '.join(log.columns)}",
        )
    return types
