"""The runs of one night in MLflow: a run `nightly` with a run for each job that logs.

A night's jobs may be eight processes. They find their runs by tags: home, policy, date and the
night's attempt. Other homes and policies may share the experiment; their runs are never joined,
superseded or closed. Only `ingest_logs` creates the parent run, a new one each time. Every other
job joins the latest. Runs that a rerun replaces stay, with the tag `superseded`. The next night
closes runs that a killed process left RUNNING, as KILLED.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ltrr.errors import CommitError, LtrrError
from ltrr.tracking.home import read_home_id
from ltrr.tracking.run import TrackedRun
from ltrr.tracking.settings import TrackingSettings
from ltrr.tracking.store import connect

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

log = logging.getLogger(__name__)

DATE, ATTEMPT, JOB, SUPERSEDED = "ltrr.date", "ltrr.night_attempt", "ltrr.job", "superseded"
HOME, POLICY = "ltrr.home", "ltrr.policy"
NIGHTLY = "nightly"
LAST_JOB = "publish_policy"
_PARENT = "mlflow.parentRunId"


class NightTracking:
    """One night in the tracking store, for one job. It stays on the driver: executors never log."""

    def __init__(self, client: MlflowClient, experiment_id: str, tags: dict[str, str], night_run_id: str) -> None:
        self._client, self._experiment_id, self._tags = client, experiment_id, tags
        self.night_run_id = night_run_id

    @classmethod
    def open(
        cls, settings: TrackingSettings, night_date: date, job: str, *, create_parent: bool, home: Path, policy: str
    ) -> NightTracking:
        """Close runs of dead processes, then start a night or join its latest attempt.

        Args:
            settings: Settings with `uri` filled in (`TrackingSettings.under`).
            night_date: Logical date.
            job: Name of the job.
            create_parent: Whether to create the night's run; only for `ingest_logs`.
            home: Folder of the home, whose identity is a tag of the runs (`read_home_id`).
            policy: Name of the policy, a tag of the runs.

        Raises:
            NotReadyError: The store does not answer. The job has not computed or published
                anything yet.
            CommitError: There is no night of this date to join.
        """
        client, experiment_id = connect(settings)
        mine = {HOME: read_home_id(home), POLICY: policy}
        night = cls(client, experiment_id, {**mine, DATE: night_date.isoformat()}, "")
        if create_parent:
            # Under the lease one night of a home runs at a time, so other RUNNING runs of this home
            # are dead.
            night._close_orphans(mine)
            earlier = night._search(NIGHTLY)
            attempt = 1 + max((int(run.data.tags[ATTEMPT]) for run in earlier), default=0)
            night.night_run_id = night._create(NIGHTLY, f"{NIGHTLY} {night_date}", {ATTEMPT: str(attempt)}, earlier)
            night.night_run().params({"date": night_date.isoformat(), "night_attempt": attempt})
        else:
            night._close_orphans({**night._tags, JOB: job})
            found = night._search(NIGHTLY)
            if not found:
                raise CommitError(
                    "MLflow has no night to join",
                    which=str(night_date),
                    expected=f"a run `nightly` of this date, home and policy ({policy}), which ingest_logs creates",
                    got="none in this store",
                    todo=f"run `ltrr job ingest_logs --date {night_date}`, or correct tracking.uri",
                )
            night.night_run_id = max(found, key=lambda run: int(run.data.tags[ATTEMPT])).info.run_id
        return night

    def night_run(self) -> TrackedRun:
        """The night's own run, for values of the whole night."""
        return TrackedRun(self._client, self.night_run_id)

    def end(self, fault: BaseException) -> None:
        """End the night's run after a fault: FAILED, or KILLED after an interrupt.

        A rerun makes it RUNNING again. If the store does not answer, that is only a warning: the
        job's own fault is reported, and the next night closes the run.
        """
        self._end_all((self.night_run_id,), fault)

    @contextmanager
    def run(self, job: str) -> Iterator[TrackedRun]:
        """A run of `job` within the night's run; earlier runs of the job are superseded.

        It ends as FINISHED, or as FAILED if the block raises. After the last job the night is
        FINISHED. A failure makes the night FAILED until a rerun succeeds.
        """
        was = self._client.get_run(self.night_run_id).info.status
        run_id = self._create(job, f"{job} {self._tags[DATE]}", {_PARENT: self.night_run_id}, self._search(job))
        self._client.update_run(self.night_run_id, status="RUNNING")
        try:
            yield TrackedRun(self._client, run_id)
        except BaseException as fault:
            # Also after an interrupt. The next night closes the run of a killed process.
            self._end_all((run_id, self.night_run_id), fault)
            raise
        self._client.set_terminated(run_id, status="FINISHED")
        if job == LAST_JOB or was == "FINISHED":
            self._client.set_terminated(self.night_run_id, status="FINISHED")
        log.info("job=%s mlflow_run_id=%s", job, run_id)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: executors never log, and a task must not contain this object."""
        raise LtrrError(
            "a tracked night cannot leave the driver", todo="return figures from the task and log them on the driver"
        )

    def _end_all(self, run_ids: tuple[str, ...], fault: BaseException) -> None:
        status = "FAILED" if isinstance(fault, Exception) else "KILLED"
        try:
            for run_id in run_ids:
                self._client.set_terminated(run_id, status=status)
        except LtrrError as unanswered:
            log.warning("mlflow_run_ids=%s stay RUNNING until the next night: %s", ",".join(run_ids), unanswered)

    def _create(self, job: str, name: str, tags: dict[str, str], replaced: list[Run]) -> str:
        all_tags = {**self._tags, JOB: job, **tags}
        run_id = str(self._client.create_run(self._experiment_id, tags=all_tags, run_name=name).info.run_id)
        for run in replaced:
            if SUPERSEDED not in run.data.tags:
                self._client.set_tag(run.info.run_id, SUPERSEDED, run_id)
        return run_id

    def _close_orphans(self, tags: dict[str, str]) -> None:
        which = f"attributes.status = 'RUNNING' and {_filter_by_tags(tags)}"
        for run in self._client.search_runs([self._experiment_id], filter_string=which):
            self._client.set_terminated(run.info.run_id, status="KILLED")
            log.warning("closed an orphan: mlflow_run_id=%s name=%s", run.info.run_id, run.info.run_name)

    def _search(self, job: str) -> list[Run]:
        which = _filter_by_tags({**self._tags, JOB: job})
        return list(self._client.search_runs([self._experiment_id], filter_string=which))


def _filter_by_tags(tags: dict[str, str]) -> str:
    """MLflow's filter of runs with all of these tags.

    >>> _filter_by_tags({"ltrr.policy": "search", "ltrr.job": "nightly"})
    "tags.`ltrr.policy` = 'search' and tags.`ltrr.job` = 'nightly'"
    """
    return " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
