import runpy
import stat
from datetime import timedelta
from pathlib import Path

import ltrr_nightly
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout
from rendering import (
    at,
    backfill_runs,
    manual_run,
    manual_run_without_dates,
    rendered_task,
    scheduled_run,
    spark_submit_command,
)

pytestmark = pytest.mark.dags

CHECKOUT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"

# Listed by hand: a DAG that fails to import fails no test that only counts the found DAGs.
DAG_IDS = ["ltrr_nightly"]
JOBS = [
    "ingest_logs",
    "fit_click_model",
    "build_memory",
    "compute_strategy_features",
    "train_bandit",
    "train_ranker",
    "evaluate_policies",
    "publish_policy",
]
UPSTREAM = {
    "ingest_logs": set(),
    "fit_click_model": {"ingest_logs"},
    "build_memory": {"fit_click_model"},
    "compute_strategy_features": {"fit_click_model"},
    "train_bandit": {"build_memory", "compute_strategy_features"},
    "train_ranker": {"build_memory", "compute_strategy_features"},
    "evaluate_policies": {"train_bandit", "train_ranker"},
    "publish_policy": {"evaluate_policies"},
}
# Every run below works on the same date, for a different reason.
RUNS = {
    # 04:00 on the 6th has passed, so the date is the 5th.
    "scheduled": lambda scheduled_dag: scheduled_run(scheduled_dag, at("2026-01-06T04:00:05")),
    # Triggered months later: params.date sets the date.
    "manual": lambda scheduled_dag: manual_run(scheduled_dag, at("2026-03-01T12:00:00"), conf={"date": "2026-01-05"}),
    "backfill": lambda scheduled_dag: backfill_runs(
        scheduled_dag, at("2026-01-05T00:00:00"), at("2026-01-06T00:00:00")
    )[0],
}


def test_the_dags_folder_holds_exactly_these_dags():
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(CHECKOUT / "airflow_dags"), bundle_name="ltrr")
    assert bag.import_errors == {}
    assert sorted(bag.dags) == DAG_IDS


def test_the_dag_imports_nothing_of_ltrr():
    import sys

    assert not [name for name in sys.modules if name == "ltrr" or name.startswith("ltrr.")]


def test_eight_tasks_in_order(dag):
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks} == UPSTREAM


def test_every_task_has_its_doorway_and_its_properties():
    for job in JOBS:
        doorway = (CHECKOUT / "jobs" / f"{job}.py").read_text()
        assert f'run_job("{job}", sys.argv[1:])' in doorway
        assert len(doorway.splitlines()) <= 15
        assert (CHECKOUT / "conf" / "spark" / f"{job}.conf").is_file()


def test_semantics_of_the_schedule(dag, scheduled_dag):
    assert dag.catchup
    assert dag.max_active_runs == 1
    assert dag.max_active_tasks == 1
    assert all(task.depends_on_past for task in dag.tasks)
    first = next(iter(scheduled_dag.iter_dagrun_infos_between(at("2026-01-01"), at("2026-01-09"))))
    assert (first.data_interval.start, first.data_interval.end) == (at("2026-01-01T04:00"), at("2026-01-02T04:00"))
    assert first.run_after == at("2026-01-02T04:00")


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("job", JOBS)
def test_the_spark_submit_command_is_the_golden_one(dag, scheduled_dag, job, kind, request):
    words = spark_submit_command(dag, job, RUNS[kind](scheduled_dag))
    # One option a line.
    text = "".join(f"\n{word}" if word.startswith("--") or word.endswith(".py") else f" {word}" for word in words)
    got = f"{text.strip()}\n"
    golden = GOLDEN / f"{job}.{kind}.txt"
    if request.config.getoption("--rebuild-golden"):
        golden.write_text(got)
    assert got == golden.read_text(), f"{golden.name} differs; after a wanted change: make airflow-golden"


def test_no_golden_file_is_left_over():
    assert sorted(file.name for file in GOLDEN.iterdir()) == sorted(
        f"{job}.{kind}.txt" for job in JOBS for kind in RUNS
    )


def test_a_backfill_ends_before_the_midnight_that_it_is_given(dag, scheduled_dag):
    runs = backfill_runs(scheduled_dag, at("2026-01-05"), at("2026-01-08"))
    assert [_night(dag, run) for run in runs] == ["2026-01-05", "2026-01-06", "2026-01-07"]


def test_a_manual_run_without_a_date_takes_the_last_complete_interval(dag, scheduled_dag):
    assert _night(dag, manual_run(scheduled_dag, at("2026-03-01T12:00:00"))) == "2026-02-28"
    assert _night(dag, manual_run(scheduled_dag, at("2026-03-01T03:00:00"))) == "2026-02-27"


@pytest.mark.parametrize("triggered_at", ["2026-01-06T12:00:00", "2026-11-28T09:00:00"])
def test_a_manual_run_goes_by_its_logical_date_whoever_made_its_interval(dag, scheduled_dag, triggered_at):
    # The web page takes the interval before the logical date; `airflow dags trigger` that before
    # the present moment.
    run = manual_run(scheduled_dag, at("2026-01-06T12:00:00"), interval_before=at(triggered_at))
    assert _night(dag, run) == "2026-01-05"


def test_a_manual_run_with_a_logical_date_needs_no_interval(dag):
    run = manual_run_without_dates(at("2026-03-01T12:00:00"))
    run.logical_date = at("2026-01-06T12:00:00")
    assert _night(dag, run) == "2026-01-05"


def test_a_hung_task_ends_by_itself(dag, monkeypatch):
    assert {task.execution_timeout for task in dag.tasks} == {timedelta(hours=6)}
    monkeypatch.setenv("LTRR_TASK_HOURS", "0.5")
    shorter = runpy.run_path(str(CHECKOUT / "airflow_dags" / "ltrr_nightly.py"))["dag"]
    assert {task.execution_timeout for task in shorter.tasks} == {timedelta(minutes=30)}


@pytest.mark.parametrize(("try_number", "expected"), [(1, AirflowTaskTimeout), (4, AirflowFailException)])
def test_a_task_that_ran_out_of_time_is_killed_and_not_retried_for_ever(
    dag, scheduled_dag, monkeypatch, try_number, expected
):
    killed = []

    def hang(*_):
        raise AirflowTaskTimeout("timed out")

    monkeypatch.setattr(ltrr_nightly.SparkSubmitOperator, "execute", hang)
    monkeypatch.setattr(ltrr_nightly.SparkSubmitOperator, "on_kill", lambda task: killed.append(task.task_id))
    task, context = rendered_task(dag, "ingest_logs", RUNS["scheduled"](scheduled_dag), try_number=try_number)
    with pytest.raises(expected):
        task.execute(context)
    assert killed == ["ingest_logs"]


def test_the_log_of_the_driver_is_ltrrs_own(dag, scheduled_dag):
    words = spark_submit_command(dag, "ingest_logs", RUNS["scheduled"](scheduled_dag))
    options = words[words.index("--conf") + 1]
    assert "-Dlog4j2.configurationFile=file:///opt/ltrr/conf/spark/log4j2.properties" in options
    assert "-Duser.timezone=UTC" in options
    shipped = (CHECKOUT / "conf" / "spark" / "log4j2.properties").read_text()
    assert shipped == (CHECKOUT / "ltrr" / "spark" / "log4j2.properties").read_text()


def test_a_date_and_no_interval_is_enough(dag):
    assert _night(dag, manual_run_without_dates(at("2026-03-01T12:00:00"), conf={"date": "2026-01-05"})) == "2026-01-05"


def test_neither_date_nor_logical_date_fails_clearly_and_for_good(dag):
    with pytest.raises(AirflowFailException, match=r'no date: .* trigger again with \{"date": "YYYY-MM-DD"\}'):
        _night(dag, manual_run_without_dates(at("2026-03-01T12:00:00")))


@pytest.mark.parametrize("wrong", ["2026-02-30", "yesterday", "5/1/2026"])
def test_a_date_that_is_none_is_refused(dag, scheduled_dag, wrong):
    with pytest.raises(Exception, match=wrong):
        _night(dag, manual_run(scheduled_dag, at("2026-03-01T12:00:00"), conf={"date": wrong}))


def _night(dag, run):
    words = spark_submit_command(dag, "ingest_logs", run)
    return words[words.index("--date") + 1]


@pytest.fixture
def spark_submit_that_exits(tmp_path, monkeypatch):
    """Put a spark-submit on PATH that ends with the given exit code."""

    def install(code):
        program = tmp_path / "spark-submit"
        program.write_text(
            f"#!/bin/sh\necho 'said on the way'\necho 'ltrr: a disk is full: /data; free space' >&2\n"
            f"echo 'INFO ShutdownHookManager'\nexit {code}\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


@pytest.mark.parametrize(
    ("code", "try_number", "expected"),
    [
        (0, 1, None),
        (1, 1, AirflowException),  # a fault: tried again
        (1, 3, AirflowException),
        (1, 4, AirflowFailException),  # only a few times
        (2, 1, AirflowFailException),  # a mistake: never
        (3, 1, AirflowException),  # not ready: waited for
        (3, 32, AirflowException),
        (137, 1, AirflowException),  # killed: a fault
    ],
)
def test_what_is_retried(dag, scheduled_dag, spark_submit_that_exits, code, try_number, expected):
    spark_submit_that_exits(code)
    run = RUNS["scheduled"](scheduled_dag)
    task, context = rendered_task(dag, "ingest_logs", run, try_number=try_number)
    if expected is None:
        assert task.execute(context) is None
        return
    with pytest.raises(AirflowException) as raised:
        task.execute(context)
    assert raised.type is expected
    assert f"{code}" in str(raised.value)
    first, *between, last = str(raised.value).splitlines()
    assert "said on the way" in between
    assert first.startswith("ingest_logs: exit code")
    assert first.endswith("ltrr: a disk is full: /data; free space")
    assert last == "ltrr: a disk is full: /data; free space"


def test_tries_are_counted_from_the_last_clearing():
    class Cleared:  # the fifth try was cleared: Airflow sets max_tries to 5 + retries
        try_number = 6
        max_tries = 5 + ltrr_nightly.WAITS

    assert ltrr_nightly.tries_so_far(ltrr_nightly.WAITS, Cleared()) == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Cannot execute: spark-submit x. Error code is: 3.\nLast spark-submit output:\nx", 3),
        ("Cannot execute: spark-submit x. Error code is: 0. Kubernetes spark exit code is: 2", 2),
        ("No driver id is known", None),
    ],
)
def test_exit_code_of_the_providers_message(message, code):
    assert ltrr_nightly.exit_code_of(AirflowException(message)) == code
