"""One run in MLflow: parameters, metrics, tags and files.

Texts may be logged by users, so lone surrogates, which no store takes, are replaced.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ltrr.core.surrogates import replace_surrogates

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class TrackedRun:
    """A run in the tracking store.

    Attributes:
        run_id: Id of the run in the store.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def params(self, values: Mapping[str, object]) -> None:
        """Log parameters as text; a logged parameter cannot change its value."""
        from mlflow.entities import Param

        self._client.log_batch(
            self.run_id, params=[Param(name, replace_surrogates(str(value))) for name, value in values.items()]
        )

    def metrics(self, values: Mapping[str, float]) -> None:
        """Log metrics; an undefined figure is NaN, which differs from a missing one."""
        for name, value in values.items():
            self._client.log_metric(self.run_id, name, float(value))

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, which runs can be searched by."""
        for name, value in values.items():
            self._client.set_tag(self.run_id, name, replace_surrogates(value))

    def artifact_bytes(self, name: str, data: bytes) -> None:
        """Log a file with exactly these bytes; its name contains no folder."""
        with tempfile.TemporaryDirectory(prefix="ltrr-artifact-") as folder:
            path = Path(folder, name)
            path.write_bytes(data)
            self._client.log_artifact(self.run_id, str(path))

    def artifact_json(self, name: str, content: object) -> None:
        """Log a JSON file with sorted keys, so that two nights can be compared line by line."""
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, default=str)
        self.artifact_bytes(name, (replace_surrogates(text) + "\n").encode("utf-8"))
