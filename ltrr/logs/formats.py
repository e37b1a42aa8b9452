"""Registry of log formats: those that ingestion reads, and those that it recognizes and refuses.

To add a format, declare its `LineFormat` in a module of its own and add one line to `FORMATS`. The
first format that recognizes an object converts or refuses it. If two formats share keys, the more
specific one comes first.

The registry reaches Spark's executors with the `LineReader` that reads a night's lines, and by
import of this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from ltrr.errors import UsageError
from ltrr.logs.line_format import LineFormat
from ltrr.logs.ltrr_lines import LTRR_LINES
from ltrr.logs.refused_formats import FUSION, METARANK
from ltrr.logs.service_lines import SERVICE_LINES
from ltrr.logs.table_lines import read_mapping
from ltrr.logs.ubi_lines import BULK_REQUESTS, UBI

FORMATS: tuple[LineFormat, ...] = (
    LTRR_LINES,
    UBI,
    BULK_REQUESTS,
    METARANK,
    FUSION,
    SERVICE_LINES,
)

AUTO = "auto"
GROUPS: Mapping[str, tuple[LineFormat, ...]] = {
    AUTO: FORMATS,
    "ltrr": (LTRR_LINES,),
    "ubi": (UBI, BULK_REQUESTS),
    "dsjson": (SERVICE_LINES,),
}
"""Formats of a file by the name that a setting or option gives; `auto`: each line by its keys."""


MAPPING_ENDINGS = (".yaml", ".yml")

Patterns = tuple[tuple[str, tuple[LineFormat, ...]], ...]
"""Pattern of file names, and the formats of the lines of such files; the first that fits counts."""


def formats_named(name: str, folder: Path = Path()) -> tuple[LineFormat, ...]:
    """The formats of a group, or of a mapping file.

    Args:
        name: A key of `GROUPS`, or the path of a YAML file (`ltrr.logs.table_lines`).
        folder: Folder that the path is relative to.

    Raises:
        UsageError: There is no such group.
        ConfigError: The mapping file has faults.
    """
    if name.endswith(MAPPING_ENDINGS):
        return (read_mapping(folder / name),)
    if name not in GROUPS:
        expected = f"{', '.join(GROUPS)}, or the path of a YAML file with a mapping"
        raise UsageError("unknown log format", which="format", expected=expected, got=name)
    return GROUPS[name]


def read_patterns(given: Mapping[str, str], folder: Path) -> Patterns:
    """The formats of a setting `logs.formats`.

    Raises:
        UsageError: A format is unknown.
        ConfigError: A mapping file has faults.
    """
    return tuple((pattern, formats_named(name, folder)) for pattern, name in given.items())


def formats_of(name: str, patterns: Patterns, otherwise: tuple[LineFormat, ...]) -> tuple[LineFormat, ...]:
    """Formats of the lines of a file.

    >>> [form.name for form in formats_of("ubi-1.ndjson", (("ubi-*", (UBI,)),), FORMATS)]
    ['ubi']
    """
    return next((formats for pattern, formats in patterns if fnmatchcase(name, pattern)), otherwise)
