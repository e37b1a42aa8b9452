"""A replacement of `Warehouse` in memory, with the same versions and errors, but much faster.

`test_memory_warehouse.py` compares it with the real one on a random sequence of operations.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from hashlib import sha256
from itertools import pairwise
from math import isnan

from pyspark.sql import Row

from ltrr.errors import LtrrError, SchemaError
from ltrr.spark.comparing import TOLERANCE
from ltrr.spark.delta import WriteResult
from ltrr.spark.retention import FILES, retention_properties

REMOVED = "its files are removed"


class ProcessDeath(BaseException):
    """The process died here; only its writes remain."""


class MemoryRows(list):
    """Rows of a table as dicts, with the methods of a frame that jobs use."""

    def where(self, condition):
        """Rows that satisfy a SQL condition on dates and strings."""
        selects = _condition(condition)
        return MemoryRows(row for row in self if selects(row))

    def coalesce(self, count):
        """Return the same rows, because there are no partitions."""
        return self

    def collect(self):
        """Rows as Spark returns them."""
        return [row_of(row) for row in self]


@dataclass
class Version:
    """One version of a table.

    Attributes:
        rows: Rows of the table.
        made_by: Operation that made it.
        day: Day on which it was made.
        restored: Version that a restore copied.
        is_removed: Whether its files are removed.
    """

    rows: tuple[dict, ...]
    made_by: str
    day: float
    restored: int | None = None
    is_removed: bool = False


@dataclass
class MemoryWarehouse:
    """The tables of one home.

    Attributes:
        readable_days: As in `Warehouse`.
        today: Day of the clock; `rest` advances it.
        on_write: Called before each write; it may raise `ProcessDeath`.
        versions: Table -> its versions.
        properties: Table -> its properties.
        spark: Replacement of the session.
    """

    readable_days: int = 90
    today: float = 0.0
    on_write: Callable[[str], None] = lambda what: None
    versions: dict[str, list[Version]] = field(default_factory=dict)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    spark: object = None

    def exists(self, table):
        return table.name in self.versions

    def version(self, table):
        return len(self.versions[table.name]) - 1 if self.exists(table) else None

    def read(self, table, version=None, until=None):
        if not self.exists(table):
            return MemoryRows()
        versions = self.versions[table.name]
        if version is not None and not 0 <= version < len(versions):
            raise LtrrError("the table cannot be read", which=f"{table.name} at version {version}", got="no such")
        if version is not None and versions[version].is_removed:
            raise LtrrError("the table cannot be read", which=f"{table.name} at version {version}", got=REMOVED)
        rows = versions[-1 if version is None else version].rows
        return MemoryRows(row for row in rows if until is None or row[table.date_column] <= until)

    def rows_between(self, table, column, first, end):
        return [row_of(row) for row in self.read(table) if first <= row[column] and (end is None or row[column] < end)]

    def newest_outputs(self, runs):
        newest = {}
        for row in self.read(runs):
            for out in row["outputs"]:
                newest[out.table] = max(out.version, newest.get(out.table, out.version))
        return newest

    def empty(self, table):
        return MemoryRows()

    def cache_rows(self, frame, table):
        return conform_rows(frame, table)

    def digest_frame(self, table, frame):
        return self._written(table, -1, conform_rows(frame, table))

    def is_same(self, table, rows, version, where):
        return same_rows(table, conform_rows(rows, table), self.read(table, version).where(where))

    def replace(self, table, frame, where):
        rows, selects = conform_rows(frame, table), _condition(where)
        if not all(selects(row) for row in rows):
            raise SchemaError("rows lie outside the partition that is replaced", which=table.name, expected=where)
        before = self.versions[table.name][-1].rows if self.exists(table) else ()
        left = [row for row in before if not selects(row)]
        if self.exists(table) and not rows and len(left) == len(before):
            # Delta makes no commit if no row is removed or added.
            return self._written(table, self.version(table), rows)
        return self._save(table, [*left, *rows], rows, "WRITE")

    def append(self, table, frame):
        rows = conform_rows(frame, table)
        before = self.versions[table.name][-1].rows if self.exists(table) else ()
        if not rows and self.exists(table):
            return self._written(table, self.version(table), rows)
        return self._save(table, [*before, *rows], rows, "WRITE")

    def append_rows(self, table, rows):
        self.append(table, [dict(zip(table.column_names, row, strict=True)) for row in rows])

    def append_new(self, table, frame):
        keys = {tuple(row[name] for name in table.grain) for row in self.read(table)}
        rows = conform_rows(frame, table)
        return self.append(table, [row for row in rows if tuple(row[name] for name in table.grain) not in keys])

    def restore(self, table, version):
        newest = self.version(table)
        if newest is None or newest == version:
            return False
        versions = self.versions[table.name]
        if version is None:
            if not versions[-1].rows:
                return False
            self._save(table, [], [], "DELETE")
            return True
        for made in reversed(versions[version + 1 :]):
            if made.restored == version:
                return False
            if "TBLPROPERTIES" not in made.made_by:
                self._save(table, self.read(table, version), [], "RESTORE", restored=version)
                return True
        return False

    def set_retention(self, table):
        wrong = self.find_wrong_properties(table)
        if wrong:
            self._save(table, self.versions[table.name][-1].rows, [], "SET TBLPROPERTIES")
            self.properties[table.name] |= wrong
        return bool(wrong)

    def find_wrong_properties(self, table):
        promised = retention_properties(table, self.readable_days)
        if not promised or not self.exists(table):
            return {}
        return {name: value for name, value in promised.items() if self.properties[table.name].get(name) != value}

    def unset(self, table, name):
        """Remove a property from a table, as a person may."""
        self._save(table, self.versions[table.name][-1].rows, [], "UNSET TBLPROPERTIES")
        self.properties[table.name].pop(name, None)

    def digest(self, table, version=None, where=""):
        rows = self.read(table, version)
        rows = rows.where(where) if where else rows
        return len(rows), _digest(table.exact_columns, rows)

    def rest(self, days):
        """Advance the clock by some days."""
        self.today += days

    def vacuum(self):
        """Remove the files of versions that were replaced before the table's retention time.

        Returns:
            Whether any version is removed.
        """
        removed = False
        for name, versions in self.versions.items():
            kept = float(self.properties[name].get(FILES, "interval 7 days").split()[1])
            for version, after in pairwise(versions):
                version.is_removed = version.is_removed or self.today - after.day > kept
                removed |= version.is_removed
        return removed

    def _save(self, table, rows, written, made_by, restored=None):
        self.on_write(f"{made_by} {table.name}")
        if not self.exists(table):
            self.properties[table.name] = dict(retention_properties(table, self.readable_days))
        self.versions.setdefault(table.name, []).append(Version(tuple(rows), made_by, self.today, restored))
        return self._written(table, self.version(table), written)

    def _written(self, table, version, rows):
        exact, values = (_digest(names, rows) for names in (table.exact_columns, table.compared_columns))
        return WriteResult(version, len(rows), exact, values)


def row_of(values: dict) -> Row:
    """A row as Spark returns it."""
    return Row(**values)


def conform_rows(frame: Iterable[Mapping], table) -> MemoryRows:
    """Rows in the columns of the table, with struct values as `Row`.

    Raises:
        SchemaError: The columns do not match the table, or a required value is missing.
    """
    declared, structs = set(table.column_names), _structs(table)
    required = [column.name for column in table.columns if not column.nullable]
    rows = MemoryRows()
    for row in frame:
        if row.keys() != declared:
            raise SchemaError("the frame does not match its table", which=table.name, got=str(row.keys() ^ declared))
        if any(row[name] is None for name in required):
            raise SchemaError("a value is missing where the catalog allows none", which=table.name, got=str(row))
        rows.append({name: _nest(row[name], structs.get(name)) for name in table.column_names})
    return rows


def same_rows(table, ours, theirs) -> bool:
    """Whether two sets of rows are equal by key; derived numbers may differ by the tolerance."""
    one, other = ({tuple(row[name] for name in table.grain): row for row in rows} for rows in (ours, theirs))
    if one.keys() != other.keys() or len(one) != len(ours) or len(other) != len(theirs):
        return False
    names = [(column.name, column.type) for column in table.columns if column.is_compared]
    return all(
        _is_near(row[name], other[key][name]) if kind == "double" else row[name] == other[key][name]
        for key, row in one.items()
        for name, kind in names
    )


def _is_near(one, other) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one), abs(other)) or (isnan(one) and isnan(other))


def _digest(names, rows) -> str:
    shown = sorted(repr([row[name] for name in names]) for row in rows)
    return sha256("\n".join([*names, *shown]).encode()).hexdigest()[:16]


@cache
def _structs(table) -> dict:
    """Column -> names of its fields, for columns that are arrays of structs of plain values."""
    found = {one.name: re.fullmatch(r"array<struct<([^<>]*)>>", one.type) for one in table.columns}
    return {
        name: [part.split(":")[0] for part in match[1].split(",")] for name, match in found.items() if match is not None
    }


def _nest(value, names):
    if names is None:
        return value
    return [Row(**(one if isinstance(one, dict) else dict(zip(names, one, strict=True)))) for one in value]


@cache
def _condition(sql):
    """Predicate of a row for a SQL condition of the kind that jobs write."""
    text = re.sub(r"DATE'(\d{4})-(\d\d)-(\d\d)'", lambda m: f"date({int(m[1])},{int(m[2])},{int(m[3])})", sql)
    text = re.sub(r"(?<![<>=])=", "==", text)
    for word in ("AND", "OR", "IN"):
        text = re.sub(rf"\b{word}\b", word.lower(), text)
    text = re.sub(r"in \((date\([\d,]+\))\)", r"in (\1,)", text)
    code = compile("True" if text == "true" else text, sql, "eval")
    names = {"date": date, "datetime": datetime, "__builtins__": {}}
    return lambda row: eval(code, names, row)
