"""Fixtures of every test and doctest; here, at the top, because doctests live beside the code in `ltrr/`.

Nothing heavy is imported at the top: the scheduler's tests run in an environment without Spark or ltrr.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.doctest import DoctestItem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def _session() -> Iterator[SparkSession]:
    from ltrr.spark.session import SparkSettings, build_session

    # One Java for the whole run: the default heap of 2g was 93 % full after twenty minutes.
    session = build_session("ltrr-tests", SparkSettings(master="local[2]", driver_memory="4g"))
    yield session
    session.stop()


@pytest.fixture
def spark(_session: SparkSession) -> Iterator[SparkSession]:
    """The one Spark session of the whole run; what a test cached is dropped after it."""
    yield _session
    _session.catalog.clearCache()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home (tables, policies, logs, mlflow) of one test."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _doctest_names(request: pytest.FixtureRequest) -> None:
    """Doctests may say `spark`, `F` and `T`; only those that do wait for Spark."""
    if not isinstance(request.node, DoctestItem) or request.node.dtest is None:
        return
    source = "".join(example.source for example in request.node.dtest.examples)
    if re.search(r"\b(spark|F|T)\b", source):
        from pyspark.sql import functions as F
        from pyspark.sql import types as T

        names: dict[str, Any] = request.getfixturevalue("doctest_namespace")
        names.update(spark=request.getfixturevalue("spark"), F=F, T=T)
