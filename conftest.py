"""Fixtures and marks of all tests and doctests.

The file is at the top of the checkout because doctests are in `ltrr/`. It imports heavy modules on
use, because the scheduler's tests run in an environment without Spark and ltrr.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from math import isinf
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.doctest import DoctestItem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession


def pytest_configure(config: pytest.Config) -> None:
    """Prevent Spark in a run without it, and time no example of hypothesis.

    In a run without Spark, a test that starts Spark without the mark fails.
    """
    marks = config.option.markexpr
    if "not spark" in marks and "own_process" not in marks:
        os.environ["JAVA_HOME"] = "no-java-in-a-run-without-spark"
    if find_spec("hypothesis"):
        from hypothesis import HealthCheck, settings

        # No test is timed: on a busy machine each takes several times as long.
        settings.register_profile("ltrr", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("ltrr")


def pytest_unconfigure() -> None:
    """Close the models of Vowpal Wabbit: each open one prints a traceback at the end of Python."""
    vowpalwabbit = sys.modules.get("vowpalwabbit.pyvw")
    if vowpalwabbit is not None:
        for one in gc.get_objects():
            if type(one) is vowpalwabbit.Workspace:
                one.finish()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark with `spark` each test and doctest that uses the shared session.

    The session may be used through other fixtures. This hook runs first, because pytest selects by
    mark in a later one.
    """
    for item in items:
        if {"spark", "_session"} & set(getattr(item, "fixturenames", ())) or _uses_spark(item):
            item.add_marker(pytest.mark.spark)


BEGUN = time.monotonic()
BUDGET_SECONDS = float(os.environ.get("LTRR_BUDGET_SECONDS") or "inf")
"""Seconds after which a run begins no further long test."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """With a budget, begin with another file every day: all long tests run within some days."""
    if isinf(BUDGET_SECONDS) or not all("long" in item.keywords for item in session.items):
        return
    files = list(dict.fromkeys(item.path for item in session.items))
    first = datetime.now(UTC).toordinal() % max(len(files), 1)
    order = {path: place for place, path in enumerate([*files[first:], *files[:first]])}
    session.items.sort(key=lambda item: order[item.path])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a long test that would begin after the budget."""
    if "long" in item.keywords and time.monotonic() - BEGUN > BUDGET_SECONDS:
        pytest.skip(f"not begun: the {BUDGET_SECONDS:.0f} seconds of BUDGET_SECONDS are over")


def _uses_spark(item: pytest.Item) -> bool:
    """Whether it is a doctest whose examples use `spark`, `F` or `T`."""
    if not isinstance(item, DoctestItem) or item.dtest is None:
        return False
    source = "".join(example.source for example in item.dtest.examples)
    return re.search(r"\b(spark|F|T)\b", source) is not None


@pytest.fixture(scope="session")
def _session() -> Iterator[SparkSession]:
    from ltrr.spark.session import SparkSettings, build_session

    # One Java for the whole run: the default heap of 2g was 93 % full after twenty minutes.
    session = build_session("ltrr-tests", SparkSettings(master="local[2]", driver_memory="4g"))
    yield session
    session.stop()


@pytest.fixture
def spark(_session: SparkSession) -> Iterator[SparkSession]:
    """The Spark session of the whole run; cached data are dropped after each test."""
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
    """Doctests may use `spark`, `F` and `T`; only those that do wait for Spark."""
    if _uses_spark(request.node):
        from pyspark.sql import functions as F
        from pyspark.sql import types as T

        names: dict[str, Any] = request.getfixturevalue("doctest_namespace")
        names.update(spark=request.getfixturevalue("spark"), F=F, T=T)
