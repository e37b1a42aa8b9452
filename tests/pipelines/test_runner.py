"""The commit protocol: dates in order, one writer, one committed row per job."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from ltrr.errors import CommitError, LeaseError, LtrrError, UsageError
from ltrr.pipelines import job_runner, run_order, runner, staleness
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import IngestNotes, RankerNotes
from ltrr.pipelines.runner import run_job, run_nightly
from ltrr.pipelines.staleness import stale_jobs
from ltrr.spark.commits import CommitLog
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from tests.pipelines import toy_jobs
from tests.pipelines.toy_jobs import FIRST, TOYS, run_in_one_process, toy_settings

WRITTEN = ("data_quality", "rejected_rows", "examination", "queries")
WRITERS = JOBS[:3]


def march(day):
    return date(2026, 3, day)


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """The toy jobs, without MLflow; tests of tracking cover the night's run."""
    monkeypatch.setattr(job_runner, "load_job", TOYS.__getitem__)
    monkeypatch.setattr(Night, "tracking", SimpleNamespace(night_run_id="untracked"))


def run_jobs(spark, settings, day, jobs=WRITERS):
    return run_in_one_process(spark, settings, jobs, march(day))


def left(spark, settings):
    """Version and digest of every table that the toys write."""
    warehouse = Warehouse(spark, settings.paths.tables)
    return {name: (warehouse.version(table(name)), *warehouse.digest(table(name))) for name in WRITTEN}


def digests(spark, settings):
    return {name: digest for name, (_, _, digest) in left(spark, settings).items()}


def impressions(spark, settings, day):
    rows = Warehouse(spark, settings.paths.tables).read(table("examination"))
    return rows.where(f"as_of_date = DATE'{march(day)}'").first().impressions


def test_a_night_run_twice_leaves_the_same_tables_and_a_second_attempt(spark, home):
    settings = toy_settings(home, {1: 2})
    first = run_nightly(spark, settings, FIRST)
    once = left(spark, settings)
    committed = []
    again = run_nightly(spark, settings, FIRST, on_commit=committed.append)
    assert left(spark, settings) == once, "not even a new version: nothing was written again"
    assert [(run.job, run.attempt) for run in first] == [(job, 1) for job in JOBS]
    assert [(run.job, run.attempt) for run in again] == [(job, 2) for job in JOBS]
    assert committed == again
    assert [run.outputs for run in again] == [run.outputs for run in first]
    # The runs in memory equal those on disk.
    kept = CommitLog(Warehouse(spark, settings.paths.tables))
    assert [kept.run(job, FIRST) for job in JOBS] == again


def test_dates_and_jobs_out_of_order_are_refused_and_the_message_names_what_to_run(spark, home):
    settings = toy_settings(home, {1: 2})
    with pytest.raises(CommitError, match="before the history starts") as caught:
        run_nightly(spark, settings, date(2026, 2, 28))
    assert caught.value.exit_code == 2
    with pytest.raises(CommitError, match="run `ltrr nightly --date 2026-03-01` first"):
        run_nightly(spark, settings, march(2))
    with pytest.raises(CommitError, match="run `ltrr job ingest_logs --date 2026-03-01`"):
        run_job(spark, settings, "fit_click_model", FIRST)
    run_jobs(spark, settings, 1, ["ingest_logs"])
    with pytest.raises(CommitError, match="no fit_click_model, build_memory"):
        run_nightly(spark, settings, march(2))
    run_jobs(spark, settings, 2, ["ingest_logs"])
    with pytest.raises(CommitError, match="run `ltrr job fit_click_model --date 2026-03-01`"):
        run_job(spark, settings, "fit_click_model", march(2))
    with pytest.raises(UsageError, match=r"ingest_logs \| fit_click_model"):
        run_job(spark, settings, "train_pandit", FIRST)


def test_history_cannot_start_anew_in_a_home_that_has_one(spark, home):
    settings = toy_settings(home, {1: 2})
    run_jobs(spark, settings, 1, ["ingest_logs"])
    with pytest.raises(
        CommitError, match=r"later than the history of the home.*2026-03-05: expected 2026-03-01 or earlier"
    ):
        run_jobs(spark, replace(settings, history_starts=march(5)), 5, ["ingest_logs"])


@pytest.mark.long
def test_a_date_that_no_later_night_checks_any_more_cannot_be_run_again(spark, home):
    settings = toy_settings(home, {1: 2})
    shorter = replace(settings, nights=replace(settings.nights, repair_days=1))
    for day in (1, 2, 3):
        run_jobs(spark, settings, day, ["ingest_logs"])
    with pytest.raises(CommitError, match=r"too old to run again.*: expected 2026-03-02 or later"):
        run_jobs(spark, shorter, 1, ["ingest_logs"])
    assert [run.attempt for run in run_jobs(spark, shorter, 2, ["ingest_logs"])] == [2]


@pytest.mark.long
def test_a_mended_past_makes_stale_what_was_computed_from_it_and_repair_reruns_just_that(spark, home, monkeypatch):
    for module in (job_runner, run_order, runner, staleness):
        monkeypatch.setattr(module, "JOBS", WRITERS)  # a night of three jobs is enough here
    settings = toy_settings(home, {1: 2, 2: 3, 3: 5})
    for day in (1, 2, 3):
        run_jobs(spark, settings, day)
    assert impressions(spark, settings, 3) == 10
    toy_settings(home, {1: 2, 2: 30, 3: 5})
    run_jobs(spark, settings, 2, ["ingest_logs"])

    commits = CommitLog(Warehouse(spark, settings.paths.tables))
    assert stale_jobs(commits, FIRST, march(1)) == {}
    assert stale_jobs(commits, FIRST, march(2)) == {"fit_click_model": "data_quality of 2026-03-02 has changed"}
    assert stale_jobs(commits, FIRST, march(3))["ingest_logs"] == "data_quality of 2026-03-02 has changed"

    runs = run_nightly(spark, settings, march(3), repair=True)
    repaired = [(run.job, run.run_date.day) for run in runs if run.run_date < march(3)]
    assert repaired == [("fit_click_model", 2), ("build_memory", 2)]
    assert impressions(spark, settings, 2) == 32
    assert impressions(spark, settings, 3) == 37, "the version of the last night has the corrected date"
    commits = CommitLog(Warehouse(spark, settings.paths.tables))
    assert [stale_jobs(commits, FIRST, march(day)) for day in (1, 2, 3)] == [{}, {}, {}]


@pytest.mark.long
def test_a_rerun_of_an_earlier_date_sees_nothing_of_later_ones(spark, home):
    settings = toy_settings(home, {1: 2, 2: 3})
    run_jobs(spark, settings, 1, JOBS[:2])
    run_jobs(spark, settings, 2, JOBS[:2])
    toy_settings(home, {1: 20, 2: 3})
    run_jobs(spark, settings, 1, JOBS[:2])
    assert impressions(spark, settings, 1) == 20


def test_notes_and_first_nights(spark, home, monkeypatch):
    settings = toy_settings(home, {1: 2})
    seen = {}

    def look(night):
        seen["lines"] = night.notes_of(IngestNotes).lines
        seen["before"] = night.previous_notes_of(RankerNotes)
        seen["closed"] = night.closed_dates()
        seen["rows"] = night.read("bandit_rows").count(), night.read_own_previous("examination").count()

    monkeypatch.setitem(TOYS, "fit_click_model", look)
    run_jobs(spark, settings, 1, JOBS[:2])
    assert seen == {"lines": 2, "before": None, "closed": [], "rows": (0, 0)}


def test_a_job_cannot_write_anothers_table_nor_one_twice(spark, home, monkeypatch):
    settings = toy_settings(home, {1: 2})
    monkeypatch.setitem(TOYS, "fit_click_model", ingest := toy_jobs.ingest_logs)
    run_jobs(spark, settings, 1, ["ingest_logs"])
    with pytest.raises(UsageError, match="a table of another job"):
        run_job(spark, settings, "fit_click_model", FIRST)
    monkeypatch.setitem(TOYS, "ingest_logs", lambda night: (ingest(night), ingest(night)))
    with pytest.raises(LtrrError, match="twice"):
        run_job(spark, settings, "ingest_logs", FIRST)


def test_closed_dates_end_where_the_longest_window_is_over(spark, home):
    settings = toy_settings(home)
    night = Night(march(5), "train_bandit", settings, spark, None, None)
    assert night.closed_dates() == [march(day) for day in (1, 2, 3, 4)]
    assert night.closed_dates(2) == [march(3), march(4)]


@pytest.mark.long
@pytest.mark.slow
def test_a_job_killed_between_two_of_its_tables_has_published_nothing_and_runs_again_as_if_it_never_was(
    spark, home, tmp_path
):
    settings = toy_settings(home, {1: 2})
    first_table = Path(settings.paths.tables) / "data_quality" / "_delta_log" / "00000000000000000000.json"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    program = [sys.executable, toy_jobs.__file__, str(home), "ingest_logs", str(FIRST)]
    job = subprocess.Popen(program, env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_until(first_table.exists, job)
        with pytest.raises(LeaseError, match=rf"pid {job.pid}.*ingest_logs of 2026-03-01") as caught:
            run_job(spark, settings, "ingest_logs", FIRST)
        assert caught.value.exit_code == 3
    finally:
        job.send_signal(signal.SIGKILL)
        job.wait()

    # One of two tables exists, and no job may read it. The lease of the dead holder is free at
    # once.
    assert not (Path(settings.paths.tables) / "rejected_rows").exists()
    with pytest.raises(CommitError, match="run `ltrr job ingest_logs --date 2026-03-01`"):
        run_job(spark, settings, "fit_click_model", FIRST)

    run_job(spark, settings, "ingest_logs", FIRST)
    never_killed = tmp_path / "never-killed"
    never_killed.mkdir()
    other = toy_settings(never_killed, {1: 2})
    run_job(spark, other, "ingest_logs", FIRST)
    assert digests(spark, settings) == digests(spark, other)


def _wait_until(is_there, process, seconds=240):
    end = time.monotonic() + seconds
    while not is_there():
        assert process.poll() is None, "the job ended before it could be killed"
        assert time.monotonic() < end, f"nothing after {seconds} s"
        time.sleep(0.05)
