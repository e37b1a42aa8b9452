"""The one place that imports MLflow: a client of one store and its one experiment, nothing global.

Models are logged as the very bytes that are published, not as MLflow flavours: those would inspect
the environment, call pip and git, and pickle.
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
from ltrr.spark.faults import DENIED, FULL_DISK, explain_fault
from ltrr.tracking.settings import TrackingSettings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SQLITE = "sqlite:///"
# How long another process may hold the database before a job gives up; the scheduler tries again
# later.
_SQLITE_SECONDS = 5.0


def connect(settings: TrackingSettings) -> tuple[MlflowClient, str]:
    """A client, and the id of the experiment, which is created when it is new.

    The first contact with a new SQLite file builds its tables (1.5 s measured); later ones cost 0.7
    s in a new process.

    Raises:
        NotReadyError: the store does not answer, or is locked.
        ConfigError: access to it is denied.
        LtrrError: its experiment was deleted, or its disk is full.
    """
    os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
    # MLflow's own patience is minutes a call; a scheduler retries the job instead.
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(settings.request_seconds)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    # Over a second to import: only jobs that track pay for it.
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    # After the import, which sets them to speak of every table it makes.
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if not os.environ.get("LTRR_DEBUG"):
        # It prints the stack trace of each database error, hundreds of lines, and then raises the
        # same error.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

    try:
        if settings.uri.startswith(_SQLITE):
            _check_sqlite(Path(settings.uri.removeprefix(_SQLITE)))
        client = guarded(MlflowClient(tracking_uri=settings.uri), settings.uri)
        experiment = client.get_experiment_by_name(settings.experiment)
        if experiment is None:
            return client, client.create_experiment(settings.experiment, artifact_location=settings.artifacts or None)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as fault:
        refuse_untracked(fault, settings.uri)
    if experiment.lifecycle_stage != "active":
        restore = f"mlflow experiments restore -x {experiment.experiment_id}"
        raise LtrrError(
            "the experiment of all nights was deleted",
            which=settings.experiment,
            todo=f"restore it with `{restore}`, or name another in tracking.experiment",
        )
    return client, str(experiment.experiment_id)


def guarded(client: MlflowClient, uri: str) -> MlflowClient:
    """The same client; a call that the store fails raises what `refuse_untracked` does, in mid-night too."""
    return cast("MlflowClient", _GuardedClient(client, uri))


class _GuardedClient:
    """Passes every call on to MLflow's client and translates what it raises."""

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client, self._uri = client, uri

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._client, name)
        return self._translated(found) if callable(found) else found

    def _translated(self, call: Callable[..., Any]) -> Callable[..., Any]:
        # Imported by now: there is a client.
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        @wraps(call)
        def translated(*arguments: Any, **named: Any) -> Any:
            try:
                return call(*arguments, **named)
            except (MlflowException, SQLAlchemyError, OSError) as fault:
                refuse_untracked(fault, self._uri)

        return translated


def refuse_untracked(fault: Exception, uri: str) -> NoReturn:
    """Raise the one error for a tracking store that fails: nothing is published untracked.

    Raises:
        ConfigError: access to it is denied.
        LtrrError: its disk is full.
        NotReadyError: anything else, such as a server that is down or a database that is locked.
    """
    known = explain_fault(fault)
    # The database's own words are on a line of their own, between SQLAlchemy's remarks and the
    # statement.
    lines = re.findall(r"^.*\(\w+\.\w*Error\) .*$", str(fault), re.MULTILINE) or str(fault).splitlines()[:1]
    said = "".join(lines[:1]).replace(uri, without_secrets(uri))[:300]
    # The cause repeats the address with its password, hence `from None`.
    if type(known) is not NotReadyError and known.message in _NOT_PASSING:
        raise type(known)(known.message, which=without_secrets(uri), got=said, todo=known.todo) from None
    raise NotReadyError(
        "MLflow does not answer, and nothing is published untracked",
        which=without_secrets(uri),
        got=said,
        todo="start the server, end the process that locks the database, or correct tracking.uri; "
        "then run the job again",
    ) from None


_NOT_PASSING = frozenset({FULL_DISK, DENIED})


def _check_sqlite(file: Path) -> None:
    """Take and give back the database's write lock: reading works while another process holds it, writing does not."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        with closing(sqlite3.connect(file, timeout=_SQLITE_SECONDS, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")


def without_secrets(uri: str) -> str:
    """The address without the user and password it may carry.

    >>> without_secrets("https://me:secret@mlflow.internal:5000/a"), without_secrets("sqlite:////data/mlflow.db")
    ('https://mlflow.internal:5000/a', 'sqlite:////data/mlflow.db')
    """
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1) if "@" in parts.netloc else uri
