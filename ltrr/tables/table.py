"""Declaration of a table as plain data: grain, columns, partitions and writer; no Spark here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Name in snake_case.
        type: Spark DDL, for example `array<double>`.
        meaning: Description of a value, a noun phrase that stands alone.
        unit: Unit of a number; empty for text and keys.
        null: Meaning of a missing value; empty if the column is never null.
        exact: Whether two correct runs give the same bytes. Floats that a fit computes are not
            exact: `ltrr tables compare` allows them a tolerance, and digests leave them out.
    """

    name: str
    type: str
    meaning: str
    unit: str = ""
    null: str = ""
    exact: bool = True

    @property
    def nullable(self) -> bool:
        """Whether a row may lack this value.

        >>> Column("log_date", "date", "UTC date of the decision").nullable
        False
        """
        return bool(self.null)

    @property
    def is_compared(self) -> bool:
        """Whether two correct runs give the same value, exactly or (numbers) within a tolerance.

        >>> kinds = ("double", "array<double>", "timestamp")
        >>> [Column("a", kind, "", exact=False).is_compared for kind in kinds]
        [True, True, False]
        """
        return self.exact or self.type in ("double", "array<double>", "bigint")


@dataclass(frozen=True)
class Table:
    """One Delta table.

    Attributes:
        name: Name in snake_case.
        grain: Columns whose values identify a row. An identifier that is unique only within a date
            is listed with its date; a join on the identifier must use the date too.
        columns: Columns in the order in which they are written.
        partition_by: Names of the partition columns.
        written_by: The one job that writes the table, or `runner` or `cli`.
        meaning: Description of the rows.
        date_column: Partition column whose value a run of the writer replaces; empty if rows are
            only appended.
    """

    name: str
    grain: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    written_by: str
    meaning: str
    date_column: str = ""

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError if there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in the order in which they are written."""
        return tuple(column.name for column in self.columns)

    @property
    def is_read_by_version(self) -> bool:
        """Whether jobs read earlier versions of the table, so that these must stay readable."""
        return bool(self.date_column)

    @property
    def compared_columns(self) -> tuple[str, ...]:
        """Names of the columns whose values are the same in two correct runs."""
        return tuple(column.name for column in self.columns if column.is_compared)

    @property
    def exact_columns(self) -> tuple[str, ...]:
        """Names of the columns that a digest covers."""
        return tuple(column.name for column in self.columns if column.exact)
