"""The nightly loop as one Airflow DAG: eight spark-submit tasks, one date.

It imports nothing of ltrr: Airflow has its own environment, and each task starts `jobs/NAME.py` in
the environment of ltrr. Its settings are environment variables of the Airflow processes:

    LTRR_PROJECT           folder with jobs/ and conf/, a checkout or the installed package ltrr
                           (default: the one that has this file)
    LTRR_HOME              folder of tables, policies, logs and MLflow's store
                           (default: `home` in LTRR_PROJECT)
    LTRR_CONFIG            YAML file for --config (default: none)
    LTRR_HISTORY_STARTS    first date of the logs; no earlier date is scheduled
                           (default: 2026-01-01)
    LTRR_MAX_ACTIVE_TASKS  number of tasks that may run at once (default: 1; keep 1 on object stores
                           without a shared log store)
    LTRR_SPARK_CONN_ID     Airflow connection to Spark's master (default: spark_default)
    LTRR_TASK_HOURS        hours after which a running task is killed (default: 6)
    LTRR_SPARK_LOG_LEVEL   log level of the driver's Java: fatal, error, warn or info (default:
                           fatal, so that the log has only ltrr's own lines; ltrr prints a fault in
                           one sentence)

The jobs read LTRR_USER_KEY_SECRET, the secret that turns user ids into keys, from the same
environment. The DAG neither reads nor shows it.
"""

import os
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, chain, cross_downstream
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout

PROJECT = os.environ.get("LTRR_PROJECT") or str(Path(__file__).resolve().parents[1])
HOME = os.environ.get("LTRR_HOME") or f"{PROJECT}/home"
CONFIG = os.environ.get("LTRR_CONFIG", "")
HISTORY_STARTS = os.environ.get("LTRR_HISTORY_STARTS") or "2026-01-01"
MAX_ACTIVE_TASKS = int(os.environ.get("LTRR_MAX_ACTIVE_TASKS") or "1")
SPARK_CONN_ID = os.environ.get("LTRR_SPARK_CONN_ID") or "spark_default"
TASK_HOURS = float(os.environ.get("LTRR_TASK_HOURS") or "6")
SPARK_LOG_LEVEL = os.environ.get("LTRR_SPARK_LOG_LEVEL") or "fatal"

# Overrides the same property of conf/spark/JOB.conf, which cannot contain the path of LTRR_PROJECT.
DRIVER_OPTIONS = (
    f"-Duser.timezone=UTC -Dlog4j2.configurationFile={Path(PROJECT).as_uri()}/conf/spark/log4j2.properties "
    f"-Dltrr.spark.log.level={SPARK_LOG_LEVEL}"
)
NIGHT_HOUR = 4  # UTC, of the day after

# Exit codes of ltrr: 0 done, 1 a fault, 2 the user's mistake, 3 not ready yet.
USERS_MISTAKE = 2
NOT_READY = 3
RETRIES = 3  # after a fault
WAITS = 32  # for logs that are not ready yet: eight hours, 15 minutes apart
_EXIT_CODE = re.compile(r"(?:Error code is|Kubernetes spark exit code is): (\d+)")
_SENTENCE = re.compile(r"^ltrr: .*$", re.MULTILINE)

DOC = """
### ltrr_nightly

Learns from the click logs of one date and publishes the policy that serves the next date. Every task can be cleared and
run again: a date that runs twice leaves the same tables.

* **By schedule**: 04:00 UTC, for the date before.
* **One date by hand**: *Trigger* with `{"date": "2026-01-05"}`. Without a date, the run takes the last interval (04:00
  to 04:00 UTC) that is complete at its logical date: a logical date of 2026-01-06 12:00 is the night of 2026-01-05.
  With neither, the run fails with an error.
* **Many dates, A to B**: `airflow backfill create --dag-id ltrr_nightly --from-date A --to-date C --max-active-runs 1`,
  where C is the day *after* B (midnight, and the runs of B are at 04:00). A backfill ignores the DAG's own limit of one
  run at a time, so give the option. ltrr refuses dates out of order in any case.
* **A date with corrected logs**: clear its tasks and those of all later dates, or set `nights.repair_first: true` in
  the file of LTRR_CONFIG; then the first task of a night reruns stale dates before its own. Without either, the next
  night ends with exit code 2 and gives the stale date.
* **A red task**: exit code 2 is a mistake that a retry cannot correct (a setting, an option, the order of dates); the
  task is not retried. Exit code 3 means "not ready yet" (the logs of the date are not closed); the task is retried for
  eight hours. Any other code is a fault; the task is retried three times. The task's exception begins with ltrr's
  sentence: what is wrong, where, and what to do. A task that runs longer than LTRR_TASK_HOURS is killed and retried
  like a fault.
"""


def exit_code_of(error: BaseException) -> int | None:
    """Exit code of spark-submit in the message of the Spark provider; None without one.

    Only a driver in client mode passes on the exit code of its program; in cluster mode most
    masters report 1 for all.
    """
    codes = [int(code) for code in _EXIT_CODE.findall(str(error))]
    return codes[-1] if codes else None


class LtrrSubmitOperator(SparkSubmitOperator):
    """A spark-submit task whose exit code decides whether Airflow retries it."""

    def execute(self, context: Any) -> None:
        """Submit the job. Airflow does not retry a failure that no retry can correct.

        Raises:
            AirflowFailException: ltrr reports a user's mistake, or a fault remains after its
                retries.
            AirflowException | AirflowTaskTimeout: any other failure; Airflow retries it.
        """
        is_last_try = tries_so_far(self.retries, context["ti"]) > RETRIES
        try:
            super().execute(context)
        except AirflowTaskTimeout as timeout:
            self.on_kill()
            if is_last_try:
                raise AirflowFailException(
                    f"{self.task_id}: not done after {TASK_HOURS:g} hours in {RETRIES + 1} tries; see what it waits "
                    "for (free executors, a store that does not answer), or raise LTRR_TASK_HOURS"
                ) from timeout
            raise
        except (AirflowException, RuntimeError) as error:
            code = exit_code_of(error)
            reason = sentence_of(error) or "ltrr gave no reason; read the end of the log below"
            if code == USERS_MISTAKE:
                kind, why = AirflowFailException, f"exit code {code}, a mistake that no retry can correct"
            elif code == NOT_READY:
                kind, why = AirflowException, f"exit code {code}, not ready yet"
            elif is_last_try:
                kind, why = AirflowFailException, f"exit code {code}, a fault that remains after {RETRIES} retries"
            else:
                kind, why = AirflowException, f"exit code {code}, a fault"
            # The reason is first and last: an alert shows the first lines, a reader the last ones.
            raise kind(f"{self.task_id}: {why}: {reason}\n{error}\n{reason}") from error


def sentence_of(error: BaseException) -> str:
    """The last sentence of ltrr in the output that the Spark provider keeps; empty without one."""
    found = _SENTENCE.findall(str(error))
    return found[-1] if found else ""


def tries_so_far(retries: int | None, task_instance: Any) -> int:
    """Number of tries since the task was last cleared, this one included.

    Clearing a task raises its `max_tries`.
    """
    return (retries or 0) - task_instance.max_tries + task_instance.try_number


def night_of(params: Mapping[str, Any], logical_date: datetime | None, run_type: str) -> str:
    """The date to work on: `params.date` if given, else by the logical date.

    The logical date of a scheduled run or a backfill is the start of its interval. The interval of
    a manual run is not used: a run that is triggered on the command line has the interval before
    *now*, whatever its logical date.

    Raises:
        AirflowFailException: Neither is given, or the date is not a date.
    """
    given = params.get("date")
    if given:
        try:
            return date.fromisoformat(str(given)).isoformat()
        except ValueError as error:
            raise AirflowFailException(
                f"params.date: expected a date like 2026-01-05, got {given!r}: trigger again with such a date"
            ) from error
    if logical_date is None:
        raise AirflowFailException(
            'no date: the run has neither params.date nor a logical date: trigger again with {"date": "YYYY-MM-DD"}'
        )
    moment = pendulum.instance(logical_date).in_timezone("UTC")
    if run_type in ("scheduled", "backfill"):
        return moment.date().isoformat()
    # The interval of D ends at 04:00 of the day after: the last one that was complete at `moment`.
    return moment.subtract(hours=NIGHT_HOUR).subtract(days=1).date().isoformat()


NIGHT = "{{ night_of(params, logical_date | default(none), dag_run.run_type) }}"


def submit(job: str) -> LtrrSubmitOperator:
    """The task that runs one job."""
    return LtrrSubmitOperator(
        task_id=job,
        name=f"ltrr-{job}-{NIGHT}",
        conn_id=SPARK_CONN_ID,
        application=f"{PROJECT}/jobs/{job}.py",
        properties_file=f"{PROJECT}/conf/spark/{job}.conf",
        conf={"spark.driver.extraJavaOptions": DRIVER_OPTIONS},
        application_args=["--date", NIGHT, "--home", HOME, *(["--config", CONFIG] if CONFIG else [])],
    )


with DAG(
    dag_id="ltrr_nightly",
    description="Learn from the logs of one date; publish the policy that serves the next.",
    doc_md=DOC,
    # A cron string alone has intervals of no length, and their start is a day late.
    schedule=CronDataIntervalTimetable(f"0 {NIGHT_HOUR} * * *", timezone="UTC"),
    start_date=pendulum.parse(HISTORY_STARTS, tz="UTC"),
    catchup=True,
    max_active_runs=1,
    max_active_tasks=MAX_ACTIVE_TASKS,
    params={
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            description="UTC date of the logs, YYYY-MM-DD; empty: the last date that is complete at the logical date.",
        )
    },
    default_args={
        "depends_on_past": True,
        "retries": WAITS,
        "retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(hours=TASK_HOURS),
    },
    user_defined_macros={"night_of": night_of},
    # Without native rendering, a date stays text.
    render_template_as_native_obj=False,
    tags=["ltrr"],
) as dag:
    ingest_logs = submit("ingest_logs")
    fit_click_model = submit("fit_click_model")
    build_memory = submit("build_memory")
    compute_strategy_features = submit("compute_strategy_features")
    train_bandit = submit("train_bandit")
    train_ranker = submit("train_ranker")
    evaluate_policies = submit("evaluate_policies")
    publish_policy = submit("publish_policy")

    chain(ingest_logs, fit_click_model, [build_memory, compute_strategy_features])
    cross_downstream([build_memory, compute_strategy_features], [train_bandit, train_ranker])
    chain([train_bandit, train_ranker], evaluate_policies, publish_policy)
