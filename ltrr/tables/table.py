"""What a table is: its grain, columns, partitions and writer, as plain data (no Spark here)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: snake_case, as in docs/words.
        type: Spark DDL, for example `array<double>`.
        meaning: Description of a value, a noun phrase that stands alone.
        unit: of a number; empty for text and keys.
        null: what a missing value means; empty where the column is never null.
        exact: whether two correct runs give the same bytes. Floats that come out of a fit are not
            exact: they are compared by key with a tolerance (`ltrr tables compare`) and stay
            outside the digest.
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
        """Whether two correct runs give the same value: exactly, or for a derived number within a tolerance.

        >>> [Column("a", kind, "", exact=False).is_compared for kind in ("double", "array<double>", "timestamp")]
        [True, True, False]
        """
        return self.exact or self.type in ("double", "array<double>", "bigint")


@dataclass(frozen=True)
class Table:
    """One Delta table: `written_by` names the one job that writes it, or `runner`, or `cli`.

    `grain` names the columns whose values identify a row. An id that is unique only within a date
    stands there with its date, and a join on the id names that date too.

    `date_column` is the partition that a run of the writer replaces; empty where rows are appended.
    """

    name: str
    grain: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    written_by: str
    meaning: str
    date_column: str = ""

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError when there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in the order in which they are written."""
        return tuple(column.name for column in self.columns)

    @property
    def is_read_by_version(self) -> bool:
        """Whether jobs read the table as an earlier commit left it, so that its versions must stay readable."""
        return bool(self.date_column)

    @property
    def compared_columns(self) -> tuple[str, ...]:
        """Columns whose values two correct runs share."""
        return tuple(column.name for column in self.columns if column.is_compared)

    @property
    def exact_columns(self) -> tuple[str, ...]:
        """Columns that a digest covers."""
        return tuple(column.name for column in self.columns if column.exact)
