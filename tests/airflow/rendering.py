"""Rendering of a task as in a worker, for runs that the scheduler would create."""

from datetime import datetime
from uuid import UUID

import pendulum
from airflow.sdk.api.datamodels._generated import DagRun, DagRunState, DagRunType, TaskInstance, TIRunContext
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

NO_ENTITY = UUID(int=0)


def scheduled_run(scheduled_dag, now):
    """The last run that the scheduler would create at the time `now`, after all earlier ones."""
    infos = scheduled_dag.iter_dagrun_infos_between(scheduled_dag.start_date, now)
    due = [info for info in infos if info.run_after <= now]
    return _run(DagRunType.SCHEDULED, due[-1].run_after, due[-1].data_interval)


def manual_run(scheduled_dag, at, conf=None, interval_before=None):
    """A run triggered by hand with the logical date `at`.

    The web page and the REST API take the last interval before the logical date (the default here).
    The command line and TriggerDagRunOperator take the last one before the present moment, which
    `interval_before` sets.
    """
    interval = scheduled_dag.timetable.infer_manual_data_interval(run_after=interval_before or at)
    return _run(DagRunType.MANUAL, at, interval, logical_date=at, conf=conf)


def manual_run_without_dates(at, conf=None):
    """A run triggered by hand with no logical date, so with no data interval."""
    return _run(DagRunType.MANUAL, at, None, conf=conf)


def backfill_runs(scheduled_dag, first, last):
    """Runs of `airflow backfill create --from-date FIRST --to-date LAST`; a date is midnight."""
    infos = scheduled_dag.iter_dagrun_infos_between(first, last)
    return [_run(DagRunType.BACKFILL, last, info.data_interval) for info in infos]


def _run(run_type, run_after, interval, *, logical_date=None, conf=None):
    return DagRun(
        dag_id="ltrr_nightly",
        run_id=f"{run_type.value}__test",
        logical_date=logical_date or (interval.start if interval else None),
        data_interval_start=interval.start if interval else None,
        data_interval_end=interval.end if interval else None,
        run_after=run_after,
        start_date=run_after,
        end_date=None,
        run_type=run_type,
        state=DagRunState.RUNNING,
        conf=conf,
        consumed_asset_events=[],
        partition_key=None,
    )


def rendered_task(dag, task_id, run, try_number=1):
    """The task with rendered templates, and its context."""
    task = dag.get_task(task_id).prepare_for_execution()
    seen_by_worker = TaskInstance(
        id=NO_ENTITY,
        task_id=task_id,
        dag_id=dag.dag_id,
        run_id=run.run_id,
        try_number=try_number,
        dag_version_id=NO_ENTITY,
    )
    instance = RuntimeTaskInstance.model_construct(
        **seen_by_worker.model_dump(exclude_unset=True),
        task=task,
        _ti_context_from_server=TIRunContext(dag_run=run, max_tries=task.retries),
        max_tries=task.retries,
        start_date=run.start_date,
    )
    context = instance.get_template_context()
    instance.render_templates(context)
    return task, context


def spark_submit_command(dag, task_id, run):
    """The command that the task would start, as a list of words."""
    task, _ = rendered_task(dag, task_id, run)
    return task._get_hook()._build_spark_submit_command(task.application)


def at(text: str) -> datetime:
    """A time in UTC."""
    return pendulum.parse(text, tz="UTC")
