"""Any shuffle, repetition and split into files of any format gives the tables of the clean log."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from tests.logs.log_lines import as_bytes, event, noon, record, write_folder
from tests.logs.ubi_documents import FIRST, LAST, as_bulk, as_csv, as_line, shop_log
from tests.pipelines.ingest_nights import SECRET, Home
from tests.pipelines.test_ingest_histories import contents

pytestmark = [pytest.mark.spark, pytest.mark.long]

MAPPING = """
search:
  where: {type: response}
  impression_id: search
  at: time
  query_text: query
  user: visitor
  entity_ids: hits
event:
  where: {type: click}
  impression_id: search
  at: time
  entity_id: item
  kind: type
  event_id: number
"""
SETTINGS = LogSettings(formats={**LogSettings().formats, "table-*": "table.yaml"})
Lines = list[Any]


def own_log() -> Lines:
    """Decision records and their events, on three dates."""
    days = [FIRST + timedelta(days=n % 3) for n in range(12)]
    records = [record(n, at=noon(day)) for n, day in enumerate(days)]
    return [*records, *(event(n, at=noon(day, 1)) for n, day in enumerate(days) if n % 2)]


def table_log() -> Lines:
    """Rows of a table with another team's columns."""
    found = []
    for n in range(10):
        at, search = noon(FIRST + timedelta(days=n)), {"search": f"t{n}", "visitor": f"guest-{n % 4}"}
        hits = ",".join(f"t{n}-{place}" for place in range(4))
        found.append({**search, "type": "response", "time": at.isoformat(), "query": f"hats {n % 3}", "hits": hits})
        clicked = {"type": "click", "time": (at + timedelta(seconds=9)).isoformat(), "item": f"t{n}-{n % 4}"}
        found.append({**search, **clicked, "number": f"k{n}"})
    return found


def plain(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def windows(lines: list[bytes]) -> bytes:
    return b"\xef\xbb\xbf" + b"".join(line + b"\r\n" for line in lines)


def zst(lines: list[bytes]) -> bytes:
    return bytes(pa.compress(plain(lines), "zstd", asbytes=True))


def zipped(lines: list[bytes]) -> bytes:
    return gzip.compress(plain(lines), mtime=0)


COLUMNS = sorted({name for row in table_log() for name in row})


def table_csv(rows: Lines) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def table_parquet(rows: Lines) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict.fromkeys(COLUMNS) | row for row in rows]), sink)
    return sink.getvalue()


# Format -> (the clean log, ending of a file -> writer of its lines).
FORMATS: dict[str, tuple[Lines, dict[str, Callable[[Lines], bytes]]]] = {
    "ltrr": (
        own_log(),
        {
            "ndjson": lambda lines: plain(list(map(as_bytes, lines))),
            "jsonl.gz": lambda lines: zipped(list(map(as_bytes, lines))),
            "ndjson.zst": lambda lines: zst(list(map(as_bytes, lines))),
            "ndjson.2": lambda lines: windows(list(map(as_bytes, lines))),
        },
    ),
    "ubi": (
        shop_log(24),
        {
            "ndjson": lambda lines: plain(as_bulk(lines)),
            "json.gz": lambda lines: zipped(list(map(as_line, lines))),
            "jsonl": lambda lines: windows(list(map(as_line, lines))),
            "csv": as_csv,
        },
    ),
    "table": (table_log(), {"csv": table_csv, "parquet": table_parquet}),
}


def ingested(spark, path: Path, files: dict[str, bytes], runs: int = 1) -> Home:
    home = Home(spark, path, FIRST, SETTINGS, first_night=LAST)
    path.mkdir(parents=True, exist_ok=True)
    (path / "table.yaml").write_text(MAPPING)
    folder = write_folder(home.logs, LAST, {})
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for _ in range(runs):
        home.ingest(LAST)
    return home


def any_files(rng: Random) -> dict[str, bytes]:
    """Every line of every format in one file or more, each file shuffled."""
    placed: dict[str, Lines] = {}
    for name, (lines, writers) in FORMATS.items():
        for line in lines:
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                host, ending = rng.choice(("", "host-a/", "hour=07/")), rng.choice(list(writers))
                placed.setdefault(f"{host}{name}-{rng.randrange(2)}.{ending}", []).append(line)
    files = {}
    for path, lines in placed.items():
        rng.shuffle(lines)
        name, _, ending = path.rpartition("/")[2].partition(".")
        files[path] = FORMATS[name.split("-")[0]][1][ending](lines)
    return files


@pytest.fixture(scope="module")
def clean(_session, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET_VARIABLE, SECRET)
        files = {
            f"{name}-1.{(first := next(iter(kinds)))}": kinds[first](lines) for name, (lines, kinds) in FORMATS.items()
        }
        home = ingested(_session, tmp_path_factory.mktemp("clean"), files)
    assert len(home.rows("impressions")) == 12 + 24 + 10
    assert home.rows("rejected_rows") == []
    return contents(home)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_files_of_the_same_lines_give_the_same_tables(spark, clean, tmp_path: Path, monkeypatch, seed: int) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    home = ingested(spark, tmp_path / "home", any_files(Random(seed)), runs=1 + seed % 2)
    assert {row.reason for row in home.rows("rejected_rows")} <= {"duplicate", "same_search"}
    found = contents(home)
    for name, rows in clean.items():
        assert found[name] == rows, (name, (found[name] - rows).most_common(3), (rows - found[name]).most_common(3))
    assert {row.figure for row in home.rows("data_quality", "check = 'row_balance'")} == {0.0}
