"""The nightly loop as one Airflow DAG: eight spark-submit tasks, one date.

It imports nothing of ltrr: Airflow has an environment of its own, and each task starts `jobs/NAME.py` in the one where
ltrr is installed. What it needs to know comes from the environment of the Airflow processes:

    LTRR_PROJECT           the checkout with jobs/ and conf/ (default: the one that this file is in)
    LTRR_HOME              where tables, policies, logs and MLflow's store are (default: `home` in the checkout)
    LTRR_CONFIG            a YAML file for --config (default: none)
    LTRR_HISTORY_STARTS    first date of the logs; nothing earlier is scheduled (default: 2026-01-01)
    LTRR_MAX_ACTIVE_TASKS  tasks that may run at once (default: 1; on object stores without a shared log store keep 1)
    LTRR_SPARK_CONN_ID     the Airflow connection that names Spark's master (default: spark_default)

The jobs read one more from the same environment, and the DAG neither reads nor shows it: LTRR_USER_KEY_SECRET, with
which user ids become keys.
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
from airflow.sdk.exceptions import AirflowException, AirflowFailException

PROJECT = os.environ.get("LTRR_PROJECT") or str(Path(__file__).resolve().parents[1])
HOME = os.environ.get("LTRR_HOME") or f"{PROJECT}/home"
CONFIG = os.environ.get("LTRR_CONFIG", "")
HISTORY_STARTS = os.environ.get("LTRR_HISTORY_STARTS") or "2026-01-01"
MAX_ACTIVE_TASKS = int(os.environ.get("LTRR_MAX_ACTIVE_TASKS") or "1")
SPARK_CONN_ID = os.environ.get("LTRR_SPARK_CONN_ID") or "spark_default"

# Exit codes of ltrr: 0 done, 1 a fault, 2 the user's mistake, 3 not ready yet.
USERS_MISTAKE = 2
NOT_READY = 3
RETRIES = 3  # of a fault
WAITS = 32  # of what is not ready yet: eight hours, 15 minutes apart
_EXIT_CODE = re.compile(r"(?:Error code is|Kubernetes spark exit code is): (\d+)")

DOC = """
### ltrr_nightly

Learns from the click logs of one date and publishes the policy that serves the next. Every task can be cleared and run
again: a date that ran twice leaves the same tables.

* **By schedule**: 04:00 UTC, for the date before.
* **One date by hand**: *Trigger* with `{"date": "2026-01-05"}`. Without a date, the last complete interval before the
  run's logical date; with neither, the run fails and says so.
* **Many dates, A to B**: `airflow backfill create --dag-id ltrr_nightly --from-date A --to-date C --max-active-runs 1`,
  where C is the day *after* B (midnight, and the runs of B are at 04:00). A backfill ignores the DAG's own limit of one
  run at a time, so the option must be given. ltrr refuses dates out of order whatever Airflow does.
* **A red task**: exit code 2 is a mistake that a retry cannot mend (a setting, an option, the order of dates) and is
  not retried; 3 means "not ready yet" (the logs of the date are not closed): asked again for eight hours; anything else
  is a fault and is retried three times. The last lines of the task's log say which.
"""


def exit_code_of(error: BaseException) -> int | None:
    """Exit code of spark-submit as the Spark provider reports it in its message; None when it says none.

    Only a driver in client mode hands its program's exit code on; in cluster mode most masters say 1 for any failure.
    """
    codes = [int(code) for code in _EXIT_CODE.findall(str(error))]
    return codes[-1] if codes else None


class LtrrSubmitOperator(SparkSubmitOperator):
    """A spark-submit that is retried only where a retry can help, and as often as it can help."""

    def execute(self, context: Any) -> None:
        """Submit; turn a failure that no further retry will mend into one that Airflow does not retry.

        Raises:
            AirflowFailException: ltrr says that it is the user's mistake, or a fault stayed after its retries.
            AirflowException | RuntimeError: any other failure; Airflow retries it.
        """
        try:
            super().execute(context)
        except (AirflowException, RuntimeError) as error:
            code = exit_code_of(error)
            if code == USERS_MISTAKE:
                raise AirflowFailException(
                    f"{self.task_id}: exit code {code}, a mistake that no retry will mend; its log says which.\n{error}"
                ) from error
            if code != NOT_READY and tries_so_far(self.retries, context["ti"]) > RETRIES:
                raise AirflowFailException(
                    f"{self.task_id}: exit code {code}, a fault that stayed after {RETRIES} retries.\n{error}"
                ) from error
            raise


def tries_so_far(retries: int | None, task_instance: Any) -> int:
    """How often the task was tried, this time included, since it was last cleared (clearing raises `max_tries`)."""
    return (retries or 0) - task_instance.max_tries + task_instance.try_number


def night_of(params: Mapping[str, Any], data_interval_start: datetime | None) -> str:
    """The date to work on: `params.date` when given, else the day that the run's data interval starts.

    Raises:
        AirflowFailException: there is neither, or the date is no date.
    """
    asked = params.get("date")
    if asked:
        try:
            return date.fromisoformat(str(asked)).isoformat()
        except ValueError as error:
            raise AirflowFailException(
                f"params.date: expected a date like 2026-01-05, got {asked!r}: trigger again with such a date"
            ) from error
    if data_interval_start is None:
        raise AirflowFailException(
            "no date: the run has neither params.date nor a data interval (it was triggered without a logical date): "
            'trigger again with {"date": "YYYY-MM-DD"}'
        )
    return pendulum.instance(data_interval_start).in_timezone("UTC").date().isoformat()


NIGHT = "{{ night_of(params, data_interval_start | default(none)) }}"


def submit(job: str) -> LtrrSubmitOperator:
    """The task that runs one job."""
    return LtrrSubmitOperator(
        task_id=job,
        name=f"ltrr-{job}-{NIGHT}",
        conn_id=SPARK_CONN_ID,
        application=f"{PROJECT}/jobs/{job}.py",
        properties_file=f"{PROJECT}/conf/spark/{job}.conf",
        application_args=["--date", NIGHT, "--home", HOME, *(["--config", CONFIG] if CONFIG else [])],
    )


with DAG(
    dag_id="ltrr_nightly",
    description="Learn from the logs of one date; publish the policy that serves the next.",
    doc_md=DOC,
    # A cron string alone would have an interval of no length, and its start would be a day late.
    schedule=CronDataIntervalTimetable("0 4 * * *", timezone="UTC"),
    start_date=pendulum.parse(HISTORY_STARTS, tz="UTC"),
    catchup=True,
    max_active_runs=1,
    max_active_tasks=MAX_ACTIVE_TASKS,
    params={
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            description="UTC date of the logs, YYYY-MM-DD; empty: the day that the data interval starts.",
        )
    },
    default_args={
        "depends_on_past": True,
        "retries": WAITS,
        "retry_delay": timedelta(minutes=15),
    },
    user_defined_macros={"night_of": night_of},
    # Not rendered natively: a date stays text.
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
