"""Contents of the blocks of a night's files: numbers of lines by kind, and forms of their times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.logs.clocks import FORMS
from ltrr.logs.folder import read_fault


@dataclass(frozen=True, order=True)
class BlockContents:
    """Counts of the lines of one block of a file, which one task reads.

    Attributes:
        source: File, relative to the logs folder.
        start: First byte of the block in the file.
        lines: Number of lines.
        searches: Number of searches without a slate of their own.
        shown: Number of events that show an entity.
        structure: Number of lines of the file's layout, which have no record.
        clocks: Form of a time -> number of lines, without forms of which there is none.
    """

    source: str
    start: int
    lines: int
    searches: int = 0
    shown: int = 0
    structure: int = 0
    clocks: Mapping[str, int] = field(default_factory=dict, compare=False)


def read_contents(blocks: DataFrame, shown_kinds: Sequence[str], folder: str) -> list[BlockContents]:
    """Contents of every block below `folder`, sorted by source and start.

    The driver collects one row per block of 128 MB.

    Args:
        blocks: Rows of `ltrr.logs.parsing.parsed_schema`.
        shown_kinds: Kinds of event that show an entity.
        folder: Folder that an error names.
    """
    counts = blocks.groupBy("source", "block_start").agg(
        F.max("line").alias("lines"),
        F.count_if(F.col("impression.pages").isNotNull()).alias("searches"),
        F.count_if(F.col("event.kind").isin(list(shown_kinds))).alias("shown"),
        F.count_if(F.col("format") == "structure").alias("structure"),
        *(F.count_if(F.col("clock") == form).alias(form) for form in FORMS),
    )
    try:
        rows = counts.collect()
    except (PySparkException, Py4JJavaError) as fault:
        raise read_fault(fault, folder) from fault
    return sorted(
        BlockContents(
            source=row["source"],
            start=row["block_start"],
            lines=row["lines"],
            searches=row["searches"],
            shown=row["shown"],
            structure=row["structure"],
            clocks={form: row[form] for form in FORMS if row[form]},
        )
        for row in rows
    )


def lines_before(contents: Sequence[BlockContents]) -> list[tuple[str, int, int]]:
    """Source, start and number of lines of the file before each block, except its first block.

    >>> blocks = (("a", 0, 7), ("a", 128, 5), ("a", 256, 1), ("b", 0, 3))
    >>> lines_before([BlockContents(*block) for block in blocks])
    [('a', 128, 7), ('a', 256, 12)]
    """
    before: list[tuple[str, int, int]] = []
    source, total = "", 0
    for block in contents:
        total = total if block.source == source else 0
        source = block.source
        if block.start:
            before.append((source, block.start, total))
        total += block.lines
    return before
