"""100,000 damaged lines of all formats: no line stops a night, and every line is accounted for."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ltrr.artifacts.manifest import PolicySettings
from ltrr.logs.formats import FORMATS
from ltrr.logs.line_rows import LineReader
from ltrr.logs.reasons import REASONS
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.logs.settings import LogSettings
from tests.logs.log_lines import SPACE, as_bytes, event, record, write_folder, wrong_lines
from tests.logs.service_log import as_line as service_as_line
from tests.logs.service_log import observation, service_line
from tests.logs.test_table_lines import FUSION_CLICK, FUSION_SEARCH, METARANK_CLICK, METARANK_RANKING
from tests.logs.ubi_documents import FIRST, LAST, as_bulk, shop_log
from tests.pipelines.ingest_nights import SECRET, Home

LINES = 100_000
_JUNK = [
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\t",
    b"{",
    b"}",
    b"[",
    b'"',
    b"\\",
    b",",
    b"1e999",
    b"null",
    b"-",
    b" ",
]


def seeds() -> list[bytes]:
    """Good lines of every format that ltrr reads or recognizes, and a bad one of each reason."""
    shop = as_bulk(shop_log(60))
    own = [as_bytes(line) for n in range(6) for line in (record(n), event(n))]
    dsjson = {"_label_cost": -1.0, "_label_probability": 0.5, "EventId": "e", "a": [1, 2], "c": {"_multi": [{}, {}]}}
    foreign = [FUSION_CLICK, FUSION_SEARCH, METARANK_CLICK, METARANK_RANKING, dsjson]
    choices = [service_line(n, LAST) for n in range(8)]
    service = [*choices, *(observation(n, one["EventId"], LAST) for n, one in enumerate(choices))]
    return [
        *shop,
        *map(service_as_line, service),
        *own * 4,
        *wrong_lines(7).values(),
        *(json.dumps(line).encode() for line in foreign),
    ]


def damaged(line: bytes, rng: random.Random) -> bytes:
    """The line with up to three bytes or parts of it changed, moved, repeated or lost."""
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        place, end = sorted(rng.randrange(len(line) + 1) for _ in range(2))
        kind = rng.randrange(5)
        if kind == 0:
            line = line[:place] + rng.choice(_JUNK) + line[place:]
        elif kind == 1:
            line = line[:place] + line[min(end, place + 9) :]
        elif kind == 2:
            line = line[:place] + line[place : place + 30] + line[place:]
        elif kind == 3:
            line = line[:place] + bytes([rng.randrange(256)]) + line[place + 1 :]
        else:
            line = line[: max(place, len(line) // 2)]
    return line.replace(b"\n", b" ")


def fuzzed(count: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    good = seeds()
    return [damaged(rng.choice(good), rng) for _ in range(count)]


def test_each_damaged_line_has_a_row_or_a_reason() -> None:
    reader = LineReader(LAST, FIRST, frozenset(SPACE.strategies), LogSettings(), Pseudonyms("s"), is_history=True)
    reader = replace(reader, policy=PolicySettings("search", SPACE.strategies, 2, 2, observe="blind"))
    found: Counter[str] = Counter()
    for line in fuzzed(4_000, 11):
        row = reader.row(line, "log-1.ndjson")
        kinds = [key for key in ("reason", "impression", "event") if row.get(key) is not None]
        assert len(kinds) == 1 or row["format"] == "structure"
        assert row.get("reason", "late") in REASONS
        assert "person-" not in row.get("detail", "") + row.get("excerpt", "")
        found[kinds[0] if kinds else "structure"] += 1
    assert min(found[kind] for kind in ("reason", "impression", "event", "structure")) > 100
    assert len(FORMATS) == 6


@pytest.mark.spark
@pytest.mark.long
def test_every_damaged_line_is_kept_waiting_or_rejected(spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    home = Home(spark, tmp_path, FIRST, first_night=LAST, observe="blind")
    good = as_bulk(shop_log(200))
    lines = [*fuzzed(LINES - len(good), 5), *good]
    random.Random(2).shuffle(lines)
    parts = {"log-1.ndjson": lines[:40_000], "log-2.ndjson.gz": lines[40_000:70_000], "ubi-3.jsonl": lines[70_000:]}
    write_folder(home.logs, LAST, parts)
    home.ingest(LAST)
    checks = {row.check: row.figure for row in home.rows("data_quality")}
    status = Counter(row.status for row in home.rows("events"))
    kept = len(home.rows("impressions")) + checks.get("page_lines", 0.0) + status["joined"]
    # A damaged byte order mark at the start of a file, or a blank, is a line too.
    total = kept + status["waiting"] + len(home.rows("rejected_rows")) + checks["structure_lines"]
    assert (checks["row_balance"], total) == (0.0, LINES)
    assert "person-" not in str(home.rows("rejected_rows"))
