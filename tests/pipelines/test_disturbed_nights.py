"""Disturbed nights: corrected logs, killed runs, idle homes, stale dates."""

import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ltrr.cli.doctor import check_committed
from ltrr.errors import CommitError, ConfigError
from ltrr.pipelines import job_runner, run_order, runner, staleness
from ltrr.pipelines.jobs import JOBS
from ltrr.pipelines.night import Night
from ltrr.pipelines.notes import IngestNotes
from ltrr.pipelines.runner import run_job
from ltrr.pipelines.staleness import changed_jobs, stale_jobs
from ltrr.spark.commits import CommitLog
from ltrr.spark.delta import Warehouse
from ltrr.spark.delta_log import newest_snapshot
from ltrr.spark.retention import FILES, LOG, STATISTICS
from ltrr.tables.catalog import table
from tests.pipelines.test_runner import impressions, march
from tests.pipelines.toy_jobs import FIRST, TOYS, run_in_one_process, toy_settings

WRITERS = JOBS[:3]


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """The first three jobs as toys, and no MLflow."""
    toys = dict(TOYS)
    monkeypatch.setattr(job_runner, "load_job", toys.__getitem__)
    monkeypatch.setattr(Night, "tracking", SimpleNamespace(night_run_id="untracked"))
    for module in (job_runner, run_order, runner, staleness):
        monkeypatch.setattr(module, "JOBS", WRITERS)
    return toys


def curve_job(value):
    """fit_click_model whose only derived number is `value["now"]`; exact columns stay the same."""

    def fit(night):
        night.read("data_quality")
        row = (night.date, "search", 1, value["now"], None, "prior", True, 7)
        columns = (
            "as_of_date date, surface string, position int, examination double, standard_error double, method string, "
            "is_identified boolean, impressions bigint"
        )
        night.write("examination", night.spark.createDataFrame([row], columns))

    return fit


def run_jobs(spark, settings, day, jobs=WRITERS[:2]):
    return run_in_one_process(spark, settings, jobs, march(day))


def warehouse_of(spark, settings):
    return Warehouse(spark, settings.paths.tables)


@pytest.mark.long
def test_a_rerun_whose_derived_numbers_moved_is_written_and_moves_the_state_and_noise_is_not(spark, home, toys):
    settings, value = toy_settings(home, {1: 2}), {"now": 0.30}
    toys["fit_click_model"] = curve_job(value)
    first = run_jobs(spark, settings, 1, WRITERS)[1].output("examination")
    value["now"] = 0.30 * (1 + 1e-12)
    [noise] = run_jobs(spark, settings, 1, ["fit_click_model"])
    assert noise.output("examination") == first, "the same sum in another order is not a new value"
    value["now"] = -0.10
    [moved] = run_jobs(spark, settings, 1, ["fit_click_model"])
    after = moved.output("examination")
    assert after.state != first.state
    rows = warehouse_of(spark, settings).read(table("examination"), after.version)
    assert [row.examination for row in rows.collect()] == [-0.10]
    stale = stale_jobs(CommitLog(warehouse_of(spark, settings)), FIRST, FIRST)
    assert stale == {"build_memory": "examination of 2026-03-01 has changed"}


@pytest.mark.long
def test_a_rerun_with_other_settings_is_written_even_where_the_values_are_equal(spark, home):
    settings = toy_settings(home, {1: 2})
    [first] = run_jobs(spark, settings, 1, ["ingest_logs"])
    [same] = run_jobs(spark, settings, 1, ["ingest_logs"])
    assert same.outputs == first.outputs
    other = replace(settings, logs=replace(settings.logs, late_days=8))
    [again] = run_jobs(spark, other, 1, ["ingest_logs"])
    assert again.output("data_quality").version > first.output("data_quality").version
    assert again.output("data_quality").state != first.output("data_quality").state


def test_a_note_that_changed_makes_stale_whoever_read_it(spark, home, toys):
    settings, lines = toy_settings(home, {1: 2}), [1]

    def ingest(night):
        night.note(lines=lines[0], impressions=lines[0], query_key_version=2)

    def fit(night):
        night.note(examination_passes=night.notes_of(IngestNotes).lines)

    toys["ingest_logs"], toys["fit_click_model"] = ingest, fit
    run_jobs(spark, settings, 1, WRITERS[:2])
    lines[0] = 2
    run_jobs(spark, settings, 1, ["ingest_logs"])
    stale = stale_jobs(CommitLog(warehouse_of(spark, settings)), FIRST, FIRST)
    assert stale["fit_click_model"] == "ingest_logs#lines of 2026-03-01 has changed"


@pytest.mark.long
def test_rows_of_a_run_that_died_are_in_no_later_commit(spark, home, toys):
    settings = toy_settings(home, {1: 2, 2: 3})
    for day in (1, 2):
        run_jobs(spark, settings, day)
    toy_settings(home, {1: 2000, 2: 3, 3: 5})
    ingest = toys["ingest_logs"]

    def dies(night):
        write = night.write

        def once(name, frame, where=None):
            write(name, frame, where)
            raise KeyboardInterrupt("killed after " + name)

        night.write = once
        ingest(night)

    toys["ingest_logs"] = dies
    with pytest.raises(KeyboardInterrupt):
        run_jobs(spark, settings, 1, ["ingest_logs"])
    toys["ingest_logs"] = ingest
    [ingested, *_] = run_jobs(spark, settings, 3)
    seen = warehouse_of(spark, settings).read(table("data_quality"), ingested.output("data_quality").version)
    assert sorted(row.figure for row in seen.collect()) == [2.0, 3.0, 5.0]
    assert impressions(spark, settings, 3) == 10
    commits = CommitLog(warehouse_of(spark, settings))
    assert [changed_jobs(commits, FIRST, march(day)) for day in (1, 2, 3)] == [{}, {}, {}]


def test_a_table_that_only_a_dead_run_has_written_is_emptied(spark, home):
    settings = toy_settings(home, {1: 2})
    warehouse = warehouse_of(spark, settings)
    row = (march(9), "figure", 1.0, None, "reported", "dead")
    columns = "log_date date, check string, figure double, limit double, verdict string, detail string"
    warehouse.replace(table("data_quality"), spark.createDataFrame([row], columns), "log_date = DATE'2026-03-09'")
    checked = settings.paths, settings.nights, settings.spark
    with pytest.raises(ConfigError, match="rows of a run that did not commit: data_quality"):
        check_committed(*checked)
    [run] = run_jobs(spark, settings, 1, ["ingest_logs"])
    rows = warehouse.read(table("data_quality"), run.output("data_quality").version).collect()
    assert [row.log_date for row in rows] == [FIRST]
    assert "in the state of the last committed runs" in check_committed(*checked)


@pytest.mark.long
def test_a_night_after_a_stale_date_is_refused_by_name_or_repairs_it_first_where_that_is_set(spark, home):
    settings = toy_settings(home, {1: 2, 2: 3})
    run_jobs(spark, settings, 1, WRITERS)
    toy_settings(home, {1: 20, 2: 3})
    run_jobs(spark, settings, 1, ["ingest_logs"])
    with pytest.raises(CommitError, match="build_memory of 2026-03-01 needs a job of the same"):
        run_job(spark, settings, "build_memory", FIRST)
    with pytest.raises(CommitError, match=r"that is stale: 2026-03-01: .*nightly --date 2026-03-02"):
        run_job(spark, settings, "ingest_logs", march(2))
    mending = replace(settings, nights=replace(settings.nights, repair_first=True))
    run_jobs(spark, mending, 2)
    assert [impressions(spark, settings, day) for day in (1, 2)] == [20, 23]


def rest(spark, settings, days):
    """Make all tables so many days older: Delta reads ages from the files of its log."""
    then = time.time() - days * 86400
    for file in Path(settings.paths.tables).glob("*/_delta_log/*"):
        if file.is_file():
            os.utime(file, (then, then))
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


@pytest.mark.long
def test_a_home_that_rested_for_a_year_runs_again_and_can_still_be_repaired_after_a_vacuum(spark, home):
    settings = toy_settings(home, {1: 2, 2: 3})
    run_jobs(spark, settings, 1)
    tables = [
        f"delta.`{warehouse_of(spark, settings).location(table(name))}`" for name in ("data_quality", "examination")
    ]
    for name in tables:
        # Delta cleans its log when it writes a checkpoint, which is every ten commits.
        spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('delta.checkpointInterval' = '1')")
    toy_settings(home, {1: 4, 2: 3})
    run_jobs(spark, settings, 1)
    rest(spark, settings, days=400)
    run_jobs(spark, settings, 2)
    for name in tables:
        spark.sql(f"VACUUM {name}")
    toy_settings(home, {1: 200, 2: 3})
    for day in (1, 2):
        run_jobs(spark, settings, day)
    assert [impressions(spark, settings, day) for day in (1, 2)] == [200, 203]


def test_tables_carry_the_retention_that_is_promised_and_old_tables_are_given_it(spark, home):
    settings = toy_settings(home, {1: 2})
    warehouse, declared = warehouse_of(spark, settings), table("data_quality")
    run_jobs(spark, settings, 1, ["ingest_logs"])
    promised = {FILES: "interval 90 days", LOG: "interval 3650 days", STATISTICS: "0"}
    assert newest_snapshot(spark, warehouse.location(declared)).properties == promised
    names = ", ".join(f"'{name}'" for name in promised)
    spark.sql(f"ALTER TABLE delta.`{warehouse.location(declared)}` UNSET TBLPROPERTIES ({names})")
    assert warehouse.find_wrong_properties(declared) == promised
    before = warehouse.version(declared)
    run_jobs(spark, settings, 1, ["ingest_logs"])
    assert warehouse.find_wrong_properties(declared) == {}
    assert warehouse.version(declared) == before + 1, "the retention was set; no row was restored or written"
