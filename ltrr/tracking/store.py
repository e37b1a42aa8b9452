"""The one place that imports MLflow: a client of one store and its one experiment, nothing global.

Models are logged as the very bytes that are published, not as MLflow flavours: those would inspect the environment,
call pip and git, and pickle.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ltrr.errors import LtrrError, NotReadyError
from ltrr.tracking.settings import TrackingSettings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SQLITE = "sqlite:///"


def connect(settings: TrackingSettings) -> tuple[MlflowClient, str]:
    """A client, and the id of the experiment, which is created when it is new.

    The first contact with a new SQLite file builds its tables (1.5 s measured); later ones cost 0.7 s in a new process.

    Raises:
        NotReadyError: the store does not answer.
        LtrrError: its experiment was deleted.
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

    try:
        if settings.uri.startswith(_SQLITE):
            Path(settings.uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(tracking_uri=settings.uri)
        experiment = client.get_experiment_by_name(settings.experiment)
        if experiment is None:
            return client, client.create_experiment(settings.experiment, artifact_location=settings.artifacts or None)
    except (MlflowException, SQLAlchemyError, OSError) as fault:
        raise NotReadyError(
            "MLflow does not answer, and nothing is published untracked",
            which=without_secrets(settings.uri),
            got=str(fault).partition("\n")[0].replace(settings.uri, without_secrets(settings.uri))[:300],
            todo="start the server, or correct tracking.uri, and run the job again",
        ) from None  # the cause repeats the address with its password
    if experiment.lifecycle_stage != "active":
        restore = f"mlflow experiments restore -x {experiment.experiment_id}"
        raise LtrrError(
            "the experiment of all nights was deleted",
            which=settings.experiment,
            todo=f"restore it with `{restore}`, or name another in tracking.experiment",
        )
    return client, str(experiment.experiment_id)


def without_secrets(uri: str) -> str:
    """The address without the user and password it may carry.

    >>> without_secrets("https://me:secret@mlflow.internal:5000/a"), without_secrets("sqlite:////data/mlflow.db")
    ('https://mlflow.internal:5000/a', 'sqlite:////data/mlflow.db')
    """
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1) if "@" in parts.netloc else uri
