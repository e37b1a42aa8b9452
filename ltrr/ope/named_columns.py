"""Check that a log has the named columns, with supported types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from ltrr.errors import UsageError


def check_names(missing: Mapping[str, str], held: Iterable[str]) -> None:
    """Check that no named column is missing.

    Args:
        missing: Meaning -> column that the log lacks.
        held: Columns of the log.

    Raises:
        UsageError: There are missing columns; all of them in one message.
    """
    if missing:
        raise UsageError(
            "columns are missing or of an unsupported type",
            expected="columns of the log",
            got="; ".join(f"{meaning}: there is no {name}" for meaning, name in missing.items()),
            todo=f"name columns of the log: it has {list_shortly(held)}",
        )


def list_shortly(names: Iterable[str], most: int = 40) -> str:
    """Names as text, at most the first of them.

    >>> list_shortly(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = list(names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


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
            todo=f"name columns of the log: it has {list_shortly(log.columns)}",
        )
    return types
