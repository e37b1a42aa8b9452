"""10,000 good lines and 1,000 bad ones: each bad line is rejected with its reason.

No line is lost, and the night stops.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from ltrr.errors import DataQualityError
from ltrr.logs.reasons import NO_FAULTS, REASONS
from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.spark.quality import ACCEPTED_QUALITY, read_accepted
from tests.logs.log_lines import NIGHT, as_bytes, event, noon, record, write_folder, wrong_lines
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = [pytest.mark.spark, pytest.mark.long]

GOOD_DECISIONS, GOOD_EVENTS, BAD = 5_000, 5_000, 1_000


def wrong_by_join(number: int) -> dict[str, bytes]:
    """Well-formed lines that contradict other lines.

    `number` is that of a valid impression and event.
    """
    wrong = {
        "duplicate": record(number),
        "not_shown": {**event(number, event_id=f"n{number}"), "entity_id": "never-shown"},
        "outside_window": event(number, event_id=f"w{number}", at=noon(minutes=31)),
        "late": event(number, event_id=f"l{number}", impression_id="long-gone", at=noon(NIGHT - timedelta(days=3))),
    }
    return {reason: as_bytes(line) for reason, line in wrong.items()}


def bad_lines() -> list[tuple[str, bytes]]:
    kinds = [*wrong_lines(0), *wrong_by_join(0)]
    numbered = enumerate(islice(cycle(kinds), BAD))
    by_join = len(wrong_lines(0))
    return [
        (kind, (wrong_by_join(n) if n % len(kinds) >= by_join else wrong_lines(1_000_000 + n))[kind])
        for n, kind in numbered
    ]


@pytest.fixture
def logs(spark, home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Home, list[tuple[str, bytes]]]:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    bad = bad_lines()
    good = [as_bytes(record(n)) for n in range(GOOD_DECISIONS)] + [as_bytes(event(n)) for n in range(GOOD_EVENTS)]
    mixed = good + [line for _, line in bad]
    random.Random(7).shuffle(mixed)
    # Two equal lines: either may be rejected as the duplicate.
    files = {
        "decisions-1.ndjson": mixed[:4_000],
        "decisions-2.ndjson.gz": mixed[4_000:8_000],
        "events-1.ndjson": mixed[8_000:],
    }
    house = Home(spark, home, NIGHT)
    write_folder(house.logs, NIGHT, files)
    return house, bad


def test_every_bad_line_is_rejected_with_a_reason_and_the_night_stops_until_it_is_accepted(logs) -> None:
    house, bad = logs
    with pytest.raises(DataQualityError, match=r"rejected_share.*933 of 11000 lines") as stopped:
        house.ingest(NIGHT)
    assert "\n" not in str(stopped.value)
    assert stopped.value.exit_code == 1

    # The findings can be read; no other table was written, and nothing was committed.
    assert len(house.rows("rejected_rows")) == BAD
    assert {row.verdict for row in house.rows("data_quality", "check = 'rejected_share'")} == {"failed"}
    assert house.rows("impressions") == []
    assert house.night(NIGHT).commits.run("ingest_logs", NIGHT) is None

    run = house.ingest(NIGHT, accept={"rejected_share": "the new client is known to send junk"})
    assert read_accepted(run.notes[ACCEPTED_QUALITY]) == {"rejected_share": "the new client is known to send junk"}
    accepted = house.rows("data_quality", "check = 'rejected_share'")[0]
    assert (accepted.verdict, round(accepted.figure, 6)) == ("accepted", round(933 / 11_000, 6))
    assert "the new client is known to send junk" in accepted.detail
    assert house.rows("data_quality", "check = 'row_balance'")[0].figure == 0.0

    rejected = house.rows("rejected_rows")
    assert Counter(row.reason for row in rejected) == Counter(kind for kind, _ in bad)
    assert len({row.reason for row in rejected}) >= 10
    assert all(row.reason in REASONS and row.detail and row.excerpt is not None for row in rejected)
    assert {(row.reason, row.line_hash) for row in rejected} == {
        (kind, hashlib.sha256(line).hexdigest()) for kind, line in bad
    }
    # Rows in = kept + waiting + rejected, counted from the tables alone.
    assert house.table("impressions").count() == GOOD_DECISIONS
    assert Counter(row.status for row in house.rows("events"))["joined"] == GOOD_EVENTS
    assert house.table("slate_rows").agg(F.sum("clicks")).first()[0] == GOOD_EVENTS
    check_that_lines_are_found_again(house, rejected)
    assert "person-" not in str(rejected)


def check_that_lines_are_found_again(house: Home, rejected) -> None:
    """Source and offset identify the line in its file.

    The quarantine has it byte for byte, below its date of expiry, unless it has no fault.
    """
    expires = NIGHT + timedelta(days=30)
    aside = house.path / "quarantine" / f"expires={expires}" / f"dt={NIGHT}"
    kept = house.spark.read.text(str(aside), lineSep="\n").select(F.col("value").cast("binary")).collect()
    hashes = {hashlib.sha256(bytes(row[0])).hexdigest() for row in kept}
    assert hashes == {row.line_hash for row in rejected if row.reason not in NO_FAULTS}
    assert any(row.reason in NO_FAULTS for row in rejected)
    plain = (house.logs / f"dt={NIGHT}" / "events-1.ndjson").read_bytes().split(b"\n")
    placed = [row for row in rejected if row.source == f"dt={NIGHT}/events-1.ndjson"]
    assert placed
    assert all(hashlib.sha256(plain[row.offset - 1]).hexdigest() == row.line_hash for row in placed)
