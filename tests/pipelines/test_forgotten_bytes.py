"""After a user is forgotten, only the logs and `forgotten_users` name the user, in any byte."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ltrr.config import load_settings
from ltrr.core.hashing import user_key
from ltrr.pipelines.forgetting import forget_users
from ltrr.pipelines.runner import run_nightly, run_repairs
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.disturbed.small_home import KEY, begin_home, day_of
from tests.pipelines.named_bytes import files_naming, user_with_small_key

pytestmark = [pytest.mark.spark, pytest.mark.long, pytest.mark.timeout(3600)]

NIGHTS = 3
SECRET = KEY["LTRR_USER_KEY_SECRET"]
SEARCHES = 150
GONE = user_with_small_key(SECRET)
GONE_KEY = user_key(SECRET, GONE)


def lines_of(logs: Path, day: date, stem: str) -> list[dict[str, Any]]:
    files = sorted((logs / f"dt={day}").glob(f"{stem}-*"))
    return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


def add_searches(logs: Path, day: date, searches: int) -> None:
    """Add searches of GONE, who clicks all that was shown, and rejected lines with the id."""
    records, events = [], []
    for number, record in enumerate(lines_of(logs, day, "decisions")[:searches]):
        own = {"impression_id": f"left-{day}-{number}"}
        records.append({**record, **own, "user": GONE, "session": f"visit-of-{GONE}"})
        for place, shown in enumerate(record["slate"]):
            what = {"event_id": f"left-{day}-{number}-{place}", "entity_id": shown["entity_id"], "kind": "click"}
            events.append({**own, **what, "at": record["at"], "value": None})
    lines = [*map(json.dumps, records), json.dumps(records[0])[:-40]]
    lines += [json.dumps({"who": GONE}), json.dumps({**records[1], "at": GONE})]
    folder = logs / f"dt={day}"
    (folder / "decisions-of-one.ndjson").write_text("\n".join(lines) + "\n")
    (folder / "events-of-one.ndjson").write_text("\n".join(map(json.dumps, events)) + "\n")


def named_in(home: Path, logs: Path) -> list[str]:
    return files_naming(home, [GONE, GONE_KEY], without=logs)


def tables_of(files: list[str]) -> set[str]:
    return {name.split("/")[1] for name in files if name.startswith("tables/")}


def test_no_byte_names_a_forgotten_user(spark, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All eight jobs, bundles, MLflow and quarantine, and the raw logs taken once more."""
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    begin_home(home, NIGHTS)
    settings = load_settings(home, None, ["logs.rejected_share_limit=1", "logs.volume_factor=100"])
    logs = Path(settings.paths.logs)
    add_searches(logs, day_of(0), SEARCHES)
    add_searches(logs, day_of(1), 3)
    days = [day_of(number) for number in range(NIGHTS)]
    for day in days:
        run_nightly(spark, settings, day)
    before = named_in(home, logs)
    # The search finds the raw lines in the quarantine, and the key in the tables.
    assert any(name.startswith("quarantine/") for name in before)
    assert {"impressions", "limited_users", "data_quality", "bandit_rows", "slate_rows"} <= tables_of(before)
    # Verdicts describe the user without the key.
    warehouse = Warehouse(spark, settings.paths.tables)
    described = warehouse.read(table("ope_estimates")).where("array_join(reasons, ';') LIKE '%one user, excluded%'")
    assert described.count() > 0

    found = forget_users(spark, settings, [GONE_KEY], days[-1])

    assert found.dates == days[:2]
    assert len(found.folders) == 2
    after = named_in(home, logs)
    assert {name.split("/")[1] for name in after} == {"forgotten_users"}, after
    # The raw logs still have the lines: taken again, they stay forgotten.
    run_repairs(spark, settings, days[-1], rerun=days[0])
    assert named_in(home, logs) == after
    rejected = warehouse.read(table("rejected_rows")).where("reason = 'forgotten'")
    assert rejected.count() > SEARCHES
