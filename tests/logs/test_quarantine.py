"""Rejected lines are kept byte for byte until their date, and not longer."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from ltrr.logs.quarantine import (
    BROADCAST_LINES,
    clear_quarantine,
    only_rejected,
    quarantine_folder,
    without_named,
)
from ltrr.logs.record_rows import Pseudonyms
from tests.logs.folder_lines import read_folder
from tests.logs.log_lines import NIGHT, write_folder

pytestmark = pytest.mark.spark


def test_rejected_lines_are_found_again_whether_few_or_too_many_to_be_sent_to_every_task(spark, tmp_path: Path) -> None:
    raw = [f"line {n}".encode() + b"\xff" for n in range(300)]
    folder = write_folder(tmp_path, NIGHT, {"decisions-1.ndjson": raw[:150], "host-a/decisions-1.ndjson": raw[150:]})
    hashes = [hashlib.sha256(line).hexdigest() for line in raw]
    reasons = [(line_hash, "forgotten" if n % 7 == 0 else "not_utf8") for n, line_hash in enumerate(hashes)]
    rejected = spark.createDataFrame([row for n, row in enumerate(reasons) if n % 3], "line_hash string, reason string")
    lines = read_folder(spark, folder)
    for count, is_sent in ((BROADCAST_LINES, True), (BROADCAST_LINES + 1, False)):
        kept = only_rejected(lines, rejected, count)
        assert {bytes(row.line) for row in kept.collect()} == {raw[n] for n in range(300) if n % 3 and n % 7}
        assert ("Broadcast" in kept._jdf.queryExecution().toString()) is is_sent


def test_a_faulty_line_that_names_a_forgotten_user_is_not_kept(spark) -> None:
    """Cut lines, other formats and other keys: the id may be anywhere in them."""
    pseudonyms = Pseudonyms("a secret")
    users = ["person-1", "Zoë Á", "4711", "a\tb"]
    forgotten = spark.createDataFrame([(pseudonyms.user(user),) for user in users], "user_key string")
    naming = [
        b'{"impression_id": "i1", "user": "person-1", "slate": [{"entity',
        b'{"who": "Zo\\u00eb \\u00c1"}',
        '["Zoë Á"]'.encode(),
        b'{"client": 4711, "level"',
        "2026-03-02,Zoë Á,click".encode(),
        b'{"u": "a\\tb"}',
        b"GET /search?user=person-1&q=x",
        f'{{"user_key": "{pseudonyms.user("4711")}"'.encode(),
        b"\xff person-1",
        b'{"session": ["' + b'x", "' * 40_000 + b'person-1"]',
    ]
    others = [b'{"user": "person-10", "n": 14711', b"", b"\xff\xfe", '["zoë á"]'.encode()]
    lines = spark.createDataFrame([(bytearray(line),) for line in (*naming, *others)], "line binary")
    kept = without_named(lines, forgotten, pseudonyms)
    assert {bytes(row.line) for row in kept.collect()} == set(others)


def test_a_night_deletes_what_has_expired_and_its_own_earlier_attempt_and_nothing_else(spark, tmp_path: Path) -> None:
    root = tmp_path / "quarantine"
    nights = {days: NIGHT - timedelta(days=days) for days in range(40)}
    folders = {days: Path(quarantine_folder(str(root), night, 30)) for days, night in nights.items()}
    earlier_attempt = Path(quarantine_folder(str(root), NIGHT, 90))
    other_attempt = Path(quarantine_folder(str(root), nights[1], 91))
    not_ours = root / "expires=2026-02-31" / f"dt={nights[39]}"
    for folder in (*folders.values(), earlier_attempt, other_attempt, not_ours):
        folder.mkdir(parents=True)
        (folder / "part-0.gz").write_bytes(b"a personal line")
    clear_quarantine(spark, str(root), NIGHT)
    assert {days for days, folder in folders.items() if folder.exists()} == set(range(1, 30))
    assert not earlier_attempt.exists()
    assert other_attempt.exists()
    assert not_ours.exists()
    assert clear_quarantine(spark, str(root), NIGHT) == []
    assert clear_quarantine(spark, str(tmp_path / "nowhere"), NIGHT) == []
