"""Registry of log formats: those that ingestion reads, and those that it recognizes and refuses.

To add a format, declare its `LineFormat` in a module of its own and add one line to `FORMATS`. The
first format that recognizes an object converts or refuses it. If two formats share keys, the more
specific one comes first.

The registry reaches Spark's executors with the `LineReader` that reads a night's lines, and by
import of this module.
"""

from __future__ import annotations

from ltrr.logs.line_format import LineFormat
from ltrr.logs.ltrr_lines import LTRR_LINES
from ltrr.logs.refused_formats import DSJSON, METARANK
from ltrr.logs.ubi_lines import BULK_REQUESTS, UBI

FORMATS: tuple[LineFormat, ...] = (
    LTRR_LINES,
    UBI,
    BULK_REQUESTS,
    METARANK,
    DSJSON,
)
