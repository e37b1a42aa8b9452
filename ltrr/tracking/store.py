"""Client of one MLflow store and its one experiment; nothing of MLflow is set globally.

Models are logged as the published bytes, not as MLflow flavours, which would inspect the
environment, call pip and git, and pickle.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import urlsplit

from ltrr.errors import LtrrError, NotReadyError
from ltrr.spark.fault_rules import DENIED, FULL_DISK
from ltrr.spark.faults import explain_fault
from ltrr.tracking.settings import TrackingSettings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SQLITE = "sqlite:///"
# Number of seconds that a job waits for a locked database; the scheduler tries again later.
_SQLITE_SECONDS = 5.0


def connect(settings: TrackingSettings) -> tuple[MlflowClient, str]:
    """A client, and the id of the experiment, which is created if it is missing.

    The first contact with a new SQLite file builds its tables in 1.5 s. Later contacts take 0.7 s
    in a new process.

    Raises:
        NotReadyError: The store does not answer, or is locked.
        ConfigError: Access to the store is denied.
        LtrrError: The experiment was deleted, or the disk is full.
    """
    os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
    # By default MLflow retries a call for minutes; here a scheduler retries the job instead.
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(settings.request_seconds)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    # The import takes over a second, so only jobs that log to MLflow do it.
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    # The import sets these loggers to report every table that it creates.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not os.environ.get("LTRR_DEBUG"):
        # This logger prints hundreds of lines for each database error before the error is raised.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

    try:
        if settings.uri.startswith(_SQLITE):
            _check_sqlite(Path(settings.uri.removeprefix(_SQLITE)))
        client = guard_client(MlflowClient(tracking_uri=settings.uri), settings.uri)
        experiment = client.get_experiment_by_name(settings.experiment)
        if experiment is None:
            return client, client.create_experiment(settings.experiment, artifact_location=settings.artifacts or None)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as fault:
        raise_tracking_error(fault, settings.uri)
    if experiment.lifecycle_stage != "active":
        restore = f"mlflow experiments restore -x {experiment.experiment_id}"
        raise LtrrError(
            "the experiment of all nights was deleted",
            which=settings.experiment,
            todo=f"restore it with `{restore}`, or name another in tracking.experiment",
        )
    return client, str(experiment.experiment_id)


def guard_client(client: MlflowClient, uri: str) -> MlflowClient:
    """The client with translated faults: a failed call raises `raise_tracking_error`'s error."""
    return cast("MlflowClient", _GuardedClient(client, uri))


class _GuardedClient:
    """Client that passes every call on to MLflow's client and translates its faults."""

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client, self._uri = client, uri

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._client, name)
        return self._translate_faults(found) if callable(found) else found

    def _translate_faults(self, call: Callable[..., Any]) -> Callable[..., Any]:
        # `connect` has imported MLflow already.
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        @wraps(call)
        def translated(*arguments: Any, **named: Any) -> Any:
            try:
                return call(*arguments, **named)
            except (MlflowException, SQLAlchemyError, OSError) as fault:
                raise_tracking_error(fault, self._uri)

        return translated


def raise_tracking_error(fault: Exception, uri: str) -> NoReturn:
    """Raise the error for a fault of the tracking store.

    Raises:
        ConfigError: Access to the store is denied.
        LtrrError: The disk is full.
        NotReadyError: Any other fault, such as a server that is down, a database that is locked or
            whose file is gone, or a value that the store refuses.
    """
    known = explain_fault(fault)
    # The message of the database is one line between SQLAlchemy's remarks and the statement.
    lines = re.findall(r"^.*\(\w+\.\w*Error\) .*$", str(fault), re.MULTILINE) or str(fault).splitlines()[:1]
    message = "".join(lines[:1]).replace(uri, without_secrets(uri))[:300]
    is_gone = uri.startswith(_SQLITE) and not Path(uri.removeprefix(_SQLITE)).exists()
    if is_gone:
        # SQLite keeps the deleted file open and calls it read-only.
        message = f"the file is gone ({message})"
    # The cause repeats the address with its password, hence `from None`.
    if not is_gone and type(known) is not NotReadyError and known.message in _NOT_PASSING:
        raise type(known)(known.message, which=without_secrets(uri), got=message, todo=known.todo) from None
    raise NotReadyError(
        "MLflow does not answer, and nothing is published untracked",
        which=without_secrets(uri),
        got=message,
        todo="start the server, end the process that locks the database, restore its file, or correct tracking.uri; "
        "then run the job again",
    ) from None


_NOT_PASSING = frozenset({FULL_DISK, DENIED})


def _check_sqlite(file: Path) -> None:
    """Check that no other process holds the database's write lock; reads alone do not show it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        with closing(sqlite3.connect(file, timeout=_SQLITE_SECONDS, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")


def without_secrets(uri: str) -> str:
    """The address without user and password.

    >>> without_secrets("https://me:secret@mlflow.internal:5000/a")
    'https://mlflow.internal:5000/a'
    >>> without_secrets("sqlite:////data/mlflow.db")
    'sqlite:////data/mlflow.db'
    """
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1) if "@" in parts.netloc else uri
