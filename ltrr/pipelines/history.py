"""Ingestion of a history: log files of many dates become the logs of the first night.

The files are copied, once by content, into the folder of the last date, and the first night takes
all of it. A second call with more files of the same dates reads everything again, so a history in
several parts gives the tables of one call. A night per date would cost a minute each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from ltrr.config import HOME_FILE, Settings, write_home_file
from ltrr.config.strict_yaml import read_yaml
from ltrr.errors import CommitError, UsageError
from ltrr.logs.folder import folder_name
from ltrr.logs.inspection import Inspection
from ltrr.logs.landing import is_landed, land_files
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.preflight import local_folder
from ltrr.pipelines.run_order import check_nothing_stale, check_order, first_checked
from ltrr.spark.commits import CommitLog
from ltrr.spark.delta import Warehouse

LONGEST_DAYS = 1_100
"""Largest span of dates, in days, that need not be named. A wrong clock gives a larger one."""


@dataclass(frozen=True)
class DateRange:
    """First and last date, both included."""

    first: date
    last: date

    @classmethod
    def parse(cls, text: str) -> DateRange:
        """The range of `A..B`, or of one date.

        >>> DateRange.parse("2025-01-22..2025-03-03").last
        datetime.date(2025, 3, 3)

        Raises:
            UsageError: The text is no range of dates.
        """
        first, dots, last = text.partition("..")
        try:
            found = cls(date.fromisoformat(first), date.fromisoformat(last if dots else first))
        except ValueError:
            raise UsageError(
                "not a range of dates", which="--dates", expected="YYYY-MM-DD..YYYY-MM-DD", got=text
            ) from None
        if found.last < found.first:
            raise UsageError("the range of dates ends before it begins", which="--dates", got=text)
        return found


def find_range(found: Inspection) -> DateRange:
    """The dates of a history whose dates are not given: all dates of its lines up to today.

    Raises:
        UsageError: No line has a date, or the dates are so far apart that some must be wrong.
    """
    today = datetime.now(UTC).date()
    dates = [day for day in found.dates if day <= today]
    if not dates:
        reasons = "; ".join(f"{reason} {n}: {detail}" for reason, (n, detail) in found.rejected.items())
        raise UsageError(
            "the log has no line that ltrr can take",
            which="PATH",
            expected="searches and events",
            got=reasons or "nothing",
        )
    span = DateRange(min(dates), max(dates))
    if (span.last - span.first).days > LONGEST_DAYS:
        raise UsageError(
            "the dates of the log are too far apart: some clock is probably wrong",
            which="--dates",
            expected=f"at most {LONGEST_DAYS} days",
            got=f"{span.first} to {span.last}",
            todo="name the dates that the log is of: --dates A..B",
        )
    return span


def prepare_home(spark: SparkSession, settings: Settings, span: DateRange) -> None:
    """Write the dates of a history to the home's file, unless nights of these dates are committed.

    All checks come before the first write, so a call that is refused leaves nothing behind. The
    caller holds the lease of the home.

    Raises:
        CommitError: The home has committed nights of another first night, or its first night cannot
            be run again.
        UsageError: The logs are not on a disk of this machine.
    """
    logs_folder(settings)
    commits = CommitLog(Warehouse(spark, settings.paths.tables, settings.nights.readable_days))
    if commits.oldest_date() is None:
        _widen_history(settings, span)
        return
    first, last = settings.first_date, settings.first_night_date
    if span.first < first or span.last > last:
        raise CommitError(
            "the home has committed nights, and the log has dates outside its history",
            which=str(settings.paths.home),
            expected=f"dates from {first} to {last}",
            got=f"{span.first} to {span.last}",
            todo="put later dates into the folders of their own nights (<logs>/dt=DATE), take earlier ones into a new "
            f"home, or leave other dates out with --dates {first}..{last}",
        )
    _check_can_run_again(commits, settings)


def _check_can_run_again(commits: CommitLog, settings: Settings) -> None:
    """The checks of order that the job repeats when it runs; see `ltrr.pipelines.run_order`."""
    night = settings.first_night_date
    commits.load(first_checked(settings, night) - timedelta(days=1))
    check_order(commits, settings, JOBS[0], night)
    check_nothing_stale(commits, settings, JOBS[0], night)


def _widen_history(settings: Settings, span: DateRange) -> None:
    """Write the dates to the home's file, together with those of an earlier call.

    Nothing is committed yet, for example because the earlier call failed a quality check. Its files
    move into the folder of the last date, so the first night still takes them.
    """
    file, before = settings.paths.home / HOME_FILE, settings.first_night
    first, last = span.first, span.last
    if before is not None:
        first, last = min(first, settings.first_date), max(last, before)
    given = read_yaml(file) if file.exists() else {}
    write_home_file(settings.paths.home, {**given, "history_starts": first, "first_night": last})
    _gather_landed(logs_folder(settings), last)


def _gather_landed(root: Path, last: date) -> None:
    """Move the files that earlier calls landed for earlier dates into the folder of the last date.

    Each call looks for them: a call that was killed between two moves is completed by the next.
    """
    folder = root / folder_name(last)
    for landed in sorted(root.glob("dt=*/*")):
        if landed.parent.name < folder.name and is_landed(landed.name):
            folder.mkdir(parents=True, exist_ok=True)
            landed.replace(folder / landed.name)


def keep_mapping(settings: Settings, mapping: Path) -> str:
    """Copy a mapping into the home and name it in the home's file; returns the prefix of its logs.

    Later nights read files whose names begin with the prefix by this mapping.
    """
    text = mapping.read_bytes()
    prefix = f"table-{hashlib.sha256(text).hexdigest()[:8]}"
    home = settings.paths.home
    kept = home / "mappings" / f"{prefix}.yaml"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(text)
    given = read_yaml(home / HOME_FILE)
    logs = given.get("logs", {})
    formats = {**settings.logs.formats, f"{prefix}-*": f"mappings/{kept.name}"}
    write_home_file(home, {**given, "logs": {**logs, "formats": formats}})
    return prefix


def land_history(settings: Settings, files: Sequence[Path], night: date, prefix: str) -> list[str]:
    """Copy the files into the folder of the first night; returns the names of the new copies.

    Args:
        settings: Settings of the home.
        files: Log files.
        night: Date of the first night.
        prefix: Beginning of the names of the copies.

    Raises:
        UsageError: The logs are not on a disk of this machine.
    """
    return land_files(files, logs_folder(settings) / folder_name(night), prefix)


def logs_folder(settings: Settings) -> Path:
    """The folder of the logs.

    Raises:
        UsageError: The logs are not on a disk of this machine.
    """
    root = local_folder(settings.paths.logs)
    if root is None:
        raise UsageError(
            "the logs folder is not on this machine",
            which="paths.logs",
            expected="a folder, to copy the files into",
            got=settings.paths.logs,
            todo=f"copy the files to {settings.paths.logs}/dt=DATE of the last date, add _SUCCESS, set history_starts "
            "and first_night, and run `ltrr job ingest_logs`",
        )
    return root
