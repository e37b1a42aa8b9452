"""The runs of one night in MLflow: nightly > train_bandit, train_ranker, evaluate_policies, publish_policy.

A night's jobs may be eight processes, so they find each other by tags: home, policy, date and the
night's attempt. Other homes and policies may share the experiment: their runs are never joined,
superseded or closed. `ingest_logs` alone creates the parent run, anew each time it runs; every
other job joins the latest. What a rerun replaces is kept and tagged `superseded`; what a killed
process left RUNNING is closed as KILLED when the next one starts.
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
    """One night in the tracking store, as one job sees it. It stays on the driver: executors never log."""

    def __init__(self, client: MlflowClient, experiment_id: str, tags: dict[str, str], night_run_id: str) -> None:
        self._client, self._experiment_id, self._tags = client, experiment_id, tags
        self.night_run_id = night_run_id

    @classmethod
    def open(
        cls, settings: TrackingSettings, night_date: date, job: str, *, create_parent: bool, home: Path, policy: str
    ) -> NightTracking:
        """Reach the store, close what dead processes left, then start a night or join its latest attempt.

        Args:
            settings: with `uri` filled in (`TrackingSettings.under`).
            night_date: the logical date.
            job: which job this is.
            create_parent: true for `ingest_logs`, the first of a night, only.
            home: folder of the home, whose identity the runs carry (`read_home_id`).
            policy: name of the policy, which the runs carry too.

        Raises:
            NotReadyError: the store does not answer; raised here, before the job has computed or
                published anything.
            CommitError: there is no night of this date to join.
        """
        client, experiment_id = connect(settings)
        mine = {HOME: read_home_id(home), POLICY: policy}
        night = cls(client, experiment_id, {**mine, DATE: night_date.isoformat()}, "")
        if create_parent:
            # The lease lets one night of a home run at a time, so whatever of this home still says
            # RUNNING is dead.
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
        """The night's own run, for what belongs to no single job."""
        return TrackedRun(self._client, self.night_run_id)

    def end(self, fault: BaseException) -> None:
        """End the night's run after a job failed or was refused: FAILED, or KILLED where it was interrupted.

        A rerun makes it RUNNING again. A store that does not answer here is only a warning: the
        job's own fault is the one to report, and the next night closes the run.
        """
        self._end_all((self.night_run_id,), fault)

    @contextmanager
    def run(self, job: str) -> Iterator[TrackedRun]:
        """A run of `job` inside the night's: FINISHED, or FAILED when the block raises; earlier ones are superseded.

        With the last job's end the night is FINISHED; any failure makes it FAILED until a rerun
        mends it.
        """
        was = self._client.get_run(self.night_run_id).info.status
        run_id = self._create(job, f"{job} {self._tags[DATE]}", {_PARENT: self.night_run_id}, self._search(job))
        self._client.update_run(self.night_run_id, status="RUNNING")
        try:
            yield TrackedRun(self._client, run_id)
        except BaseException as fault:
            # An interrupted job is closed too; what is killed outright is closed as an orphan by
            # the next.
            self._end_all((run_id, self.night_run_id), fault)
            raise
        self._client.set_terminated(run_id, status="FINISHED")
        if job == LAST_JOB or was == "FINISHED":
            self._client.set_terminated(self.night_run_id, status="FINISHED")
        log.info("job=%s mlflow_run_id=%s", job, run_id)

    def __reduce__(self) -> NoReturn:
        """Executors never log: a task that would carry this along is refused when it is made."""
        raise LtrrError(
            "a tracked night cannot leave the driver", todo="return figures from the task and log them here"
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
        which = f"attributes.status = 'RUNNING' and {_having(tags)}"
        for run in self._client.search_runs([self._experiment_id], filter_string=which):
            self._client.set_terminated(run.info.run_id, status="KILLED")
            log.warning("closed an orphan: mlflow_run_id=%s name=%s", run.info.run_id, run.info.run_name)

    def _search(self, job: str) -> list[Run]:
        which = _having({**self._tags, JOB: job})
        return list(self._client.search_runs([self._experiment_id], filter_string=which))


def _having(tags: dict[str, str]) -> str:
    """MLflow's filter for runs with all of these tags.

    >>> _having({"ltrr.policy": "search", "ltrr.job": "nightly"})
    "tags.`ltrr.policy` = 'search' and tags.`ltrr.job` = 'nightly'"
    """
    return " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
