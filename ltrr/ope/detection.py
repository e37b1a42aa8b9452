"""The format of a log, found from the names and the first bytes of its files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ltrr.errors import UsageError
from ltrr.ope.byte_streams import PARQUET, find_binary_kind, read_head
from ltrr.ope.json_lines import read_record
from ltrr.ope.log_paths import CANNOT_READ, LogPath

DELIMITERS = ",;\t|"
EMPTY = "an empty file"

MOST_FILES = 20
"""Maximum number of files whose first bytes are read."""

_SAMPLE_LINES = 50
_DSJSON_KEYS = frozenset(
    {"_label_cost", "_label_probability", "_labelIndex", "_label_Action", "_outcomes", "_skipLearn", "RewardValue"}
)
_OBD_COLUMNS = frozenset({"item_id", "click", "propensity_score"})
_VW_LINE = re.compile(r"^(shared\s|\d+:[-+.\deE]+:[-+.\deE]+(\s|$))[^{]*\|")
_PRIORITY = ("parquet", "npz", "dsjson", "ndjson", "obd", "vw", "csv")


@dataclass(frozen=True)
class DetectedFormat:
    """A format and the sign by which it was recognised.

    Attributes:
        name: Name of the format; empty if it is none that can be read.
        sign: Its sign, or what the file looks like.
    """

    name: str
    sign: str


def detect_format(log: LogPath) -> DetectedFormat:
    """The format of a log.

    Raises:
        UsageError: No file has a format that can be read.
    """
    if log.is_table:
        return DetectedFormat("delta", "a folder _delta_log")
    found = {address: detect_file(read_head(address)) for address in log.files[:MOST_FILES]}
    for name in _PRIORITY:
        for one in found.values():
            if one.name == name:
                return one
    if found and all(one.sign == EMPTY for one in found.values()):
        raise UsageError(CANNOT_READ, which=log.given, expected="at least one decision", got=EMPTY)
    address, looks = next(iter(found.items()), (log.given, DetectedFormat("", "an address that only Spark can list")))
    raise UsageError(
        "the format of the log was not recognised",
        which=log.name(address),
        expected="a Delta table, Parquet, CSV with a header, or JSON objects, one a line",
        got=looks.sign,
        todo="name the format with --format",
    )


def detect_file(head: bytes) -> DetectedFormat:
    r"""The format of a file from its first bytes.

    >>> detect_file(b"PAR1...").name, detect_file(b'{"_label_cost": -1}\n').name
    ('parquet', 'dsjson')
    >>> detect_file(b"reward,pi\n1,0.5\n")
    DetectedFormat(name='csv', sign='a header with reward, pi')
    >>> detect_file(b"[1, 2]").sign, detect_file(b"hello").sign
    ('a JSON array, not one object a line', 'text that begins with "hello"')
    """
    if head.startswith(b"PK") and b".npy" in head[:300]:
        return DetectedFormat("npz", "numpy arrays in a ZIP file")
    if looks := find_binary_kind(head):
        return DetectedFormat("parquet", "its first bytes") if looks == PARQUET else DetectedFormat("", looks)
    lines = [line.strip() for line in head.decode("utf-8", errors="replace").splitlines()[:_SAMPLE_LINES]]
    lines = [line for line in lines if line]
    if not lines:
        return DetectedFormat("", EMPTY)
    return _detect_json(lines) or _detect_lines(lines[0])


def find_delimiter(line: str) -> str:
    """The character between the fields of a line, a comma if there is none.

    >>> find_delimiter("reward;pi;p"), find_delimiter('"a;b;c",d')
    (';', ',')
    """
    outside = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=lambda one: (outside.count(one), -DELIMITERS.index(one)))


def _detect_json(lines: list[str]) -> DetectedFormat | None:
    objects = [line for line in lines if line.startswith("{")]
    for line in objects:
        record = read_record(line)
        # The line may be longer than the bytes that were read, so its text counts too.
        keys = set(record) if isinstance(record, dict) else set(re.findall(r'"(\w+)"\s*:', line[:2_000]))
        if known := sorted(_DSJSON_KEYS & keys):
            return DetectedFormat("dsjson", f"keys {known[0]}")
    if objects:
        if objects == ["{"]:
            return DetectedFormat("", "a JSON object over several lines, not one object a line")
        return DetectedFormat("ndjson", "JSON objects, one a line")
    if lines[0].startswith("[") and not lines[0].endswith("LINE]"):
        return DetectedFormat("", "a JSON array, not one object a line")
    return None


def _detect_lines(first: str) -> DetectedFormat:
    if _VW_LINE.match(first):
        return DetectedFormat("vw", "labels action:cost:probability")
    delimiter = find_delimiter(first)
    names = [name.strip().strip('"') for name in first.split(delimiter)]
    if len(names) < 2 or any("\ufffd" in name or "\x00" in name for name in names):
        looks = "bytes that are no text" if "\ufffd" in first or "\x00" in first else "text"
        return DetectedFormat("", f'{looks} that begins with "{first[:40]}"' if looks == "text" else looks)
    if set(names) >= _OBD_COLUMNS:
        return DetectedFormat("obd", "columns item_id, click, propensity_score")
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    return DetectedFormat("csv", f"a header with {shown}")
