"""After a user is forgotten, only the logs and `forgotten_users` name the user, in any byte."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltrr.config import load_settings
from ltrr.core.hashing import user_key
from ltrr.pipelines.forgetting import forget_users
from ltrr.pipelines.runner import run_nightly, run_repairs
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.disturbed.small_home import KEY, begin_home, day_of

pytestmark = [pytest.mark.spark, pytest.mark.long, pytest.mark.timeout(3600)]

NIGHTS = 3
SECRET = KEY["LTRR_USER_KEY_SECRET"]
SEARCHES = 150
# Statistics of files hold the smallest and the largest keys, so the test takes a small one.
GONE = next(name for n in count() if user_key(SECRET, name := f"person-who-left-{n}").startswith("000"))
GONE_KEY = user_key(SECRET, GONE)


def lines_of(logs: Path, day: date, stem: str) -> list[dict[str, object]]:
    files = sorted((logs / f"dt={day}").glob(f"{stem}-*"))
    return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


def add_searches(logs: Path, day: date, searches: int) -> None:
    """Add searches of GONE, who clicks all that was shown, and rejected lines with the id."""
    decisions, events = [], []
    for number, record in enumerate(lines_of(logs, day, "decisions")[:searches]):
        record |= {"impression_id": f"left-{day}-{number}", "user": GONE, "session": f"visit-of-{GONE}"}
        decisions.append(json.dumps(record))
        for place, shown in enumerate(record["slate"]):
            clicked = {"event_id": f"left-{day}-{number}-{place}", "kind": "click", "value": None, "at": record["at"]}
            events.append(
                json.dumps(
                    {**clicked, **{k: shown[k] for k in ("entity_id",)}, "impression_id": record["impression_id"]}
                )
            )
    decisions += [
        decisions[0][:-40],
        json.dumps({"who": GONE}),
        json.dumps({**json.loads(decisions[1]), "user": GONE, "at": GONE}),
    ]
    folder = logs / f"dt={day}"
    (folder / "decisions-of-one.ndjson").write_text("\n".join(decisions) + "\n")
    (folder / "events-of-one.ndjson").write_text("\n".join(events) + "\n")


def texts_of(file: Path) -> Iterator[bytes]:
    """Content of a file: its bytes, and what they hold if they are compressed or columns."""
    raw = file.read_bytes()
    yield raw
    if file.name.endswith(".gz"):
        yield gzip.decompress(raw)
    elif file.name.endswith(".zst"):
        yield pa.input_stream(pa.BufferReader(raw), compression="zstd").read()
    elif file.name.endswith(".parquet"):
        yield str(pq.ParquetFile(file).read().to_pylist()).encode()


def named_in(home: Path, *, logs: Path) -> list[str]:
    """Files of the home, without the logs, that hold the user's id or key."""
    names = [GONE.encode(), GONE_KEY.encode()]
    files = [file for file in home.rglob("*") if file.is_file() and not file.is_relative_to(logs)]
    assert {"mlflow", "policies", "tables"} <= {file.relative_to(home).parts[0].split(".")[0] for file in files}
    return sorted(
        str(file.relative_to(home)) for file in files if any(name in text for text in texts_of(file) for name in names)
    )


def tables_of(found: list[str]) -> set[str]:
    return {name.split("/")[1] for name in found if name.startswith("tables/")}


def test_no_byte_names_a_forgotten_user(spark, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    begin_home(home, NIGHTS)
    changes = ["logs.rejected_share_limit=1", "logs.volume_factor=100"]
    settings = load_settings(home, None, changes)
    logs = Path(settings.paths.logs)
    add_searches(logs, day_of(0), SEARCHES)
    add_searches(logs, day_of(1), 3)
    days = [day_of(number) for number in range(NIGHTS)]
    for day in days:
        run_nightly(spark, settings, day)
    before = named_in(home, logs=logs)
    # The raw lines are in the quarantine, and the key is in the tables: the search finds both.
    assert any(name.startswith("quarantine/") for name in before)
    assert {"impressions", "limited_users", "data_quality"} <= tables_of(before)
    print("BEFORE", *before, sep="\n")

    found = forget_users(spark, settings, [GONE_KEY], days[-1])

    assert found.dates == days[:2]
    assert len(found.folders) == 2
    after = named_in(home, logs=logs)
    print("AFTER", *after, sep="\n")
    assert tables_of(after) == {"forgotten_users"}
    assert [name for name in after if not name.startswith("tables/")] == []

    # The raw logs still have the lines: taken again, they stay forgotten.
    run_repairs(spark, settings, days[-1], rerun=days[0])
    assert named_in(home, logs=logs) == after
    rejected = Warehouse(spark, settings.paths.tables).read(table("rejected_rows")).where("reason = 'forgotten'")
    assert rejected.count() > SEARCHES
