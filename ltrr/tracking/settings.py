"""Settings of the MLflow store."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ltrr.errors import check_ranges


@dataclass(frozen=True)
class TrackingSettings:
    """MLflow store of all nights.

    Attributes:
        uri: Address of the tracking server or of a database. Empty uses SQLite in the home folder,
            which fits one machine and one night at a time; several machines need a server.
        artifacts: Folder or URL of the files of runs. Empty uses a folder next to that SQLite file,
            or the server's own setting.
        experiment: Name of the experiment that holds all nights.
        request_seconds: Number of seconds after which a request to the server fails.
    """

    uri: str = ""
    artifacts: str = ""
    experiment: str = "ltrr"
    request_seconds: int = 20

    def __post_init__(self) -> None:
        """Check the ranges.

        >>> TrackingSettings(experiment="")
        Traceback (most recent call last):
        ltrr.errors.ConfigError: setting out of range: tracking.experiment: expected a name, got ''
        """
        rules = (
            ("experiment", bool(self.experiment.strip()), "a name"),
            ("request_seconds", self.request_seconds >= 1, ">= 1"),
        )
        check_ranges("tracking", self, rules)

    def under(self, home: str | os.PathLike[str]) -> TrackingSettings:
        """The settings with empty addresses filled in: `mlflow.db` and `mlartifacts/` in `home`.

        >>> local = TrackingSettings().under("/data/ltrr")
        >>> local.uri, local.artifacts
        ('sqlite:////data/ltrr/mlflow.db', 'file:///data/ltrr/mlartifacts')
        >>> TrackingSettings(uri="https://mlflow.internal").under("/data/ltrr").artifacts
        ''
        """
        if self.uri:
            return self
        folder = Path(home).absolute()
        artifacts = self.artifacts or (folder / "mlartifacts").as_uri()
        return replace(self, uri=f"sqlite:///{folder / 'mlflow.db'}", artifacts=artifacts)
