"""One run: parameters, metrics and files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class TrackedRun:
    """A run in the tracking store.

    Attributes:
        run_id: the store's own.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def params(self, values: Mapping[str, object]) -> None:
        """Log parameters: each name once, as text; a name cannot change its value later."""
        from mlflow.entities import Param

        self._client.log_batch(self.run_id, params=[Param(name, str(value)) for name, value in values.items()])

    def metrics(self, values: Mapping[str, float]) -> None:
        """Log metrics. An undefined figure is logged as NaN, so that it is not mistaken for a missing one."""
        for name, value in values.items():
            self._client.log_metric(self.run_id, name, float(value))

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, by which runs can be searched."""
        for name, value in values.items():
            self._client.set_tag(self.run_id, name, value)

    def artifact_bytes(self, name: str, data: bytes) -> None:
        """A file called `name` (no folders) with exactly these bytes."""
        with tempfile.TemporaryDirectory(prefix="ltrr-artifact-") as folder:
            path = Path(folder, name)
            path.write_bytes(data)
            self._client.log_artifact(self.run_id, str(path))

    def artifact_json(self, name: str, content: object) -> None:
        """A JSON file, keys sorted, so that two nights can be compared line by line."""
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, default=str)
        self.artifact_bytes(name, (text + "\n").encode("utf-8"))
