"""A throw-away AIRFLOW_HOME, set before anything imports Airflow; the DAG as the scheduler and the worker see it."""

import os
import runpy
import sys
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
HOME = tempfile.TemporaryDirectory(prefix="ltrr-airflow-tests-")

os.environ.update(
    {
        "AIRFLOW_HOME": HOME.name,
        "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "airflow_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        # The golden commands are of one installation, wherever this checkout is.
        "LTRR_PROJECT": "/opt/ltrr",
        "LTRR_HOME": "/data/ltrr",
        "LTRR_CONFIG": "/etc/ltrr/prod.yaml",
        "LTRR_HISTORY_STARTS": "2026-01-01",
        "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[2]"}',
    }
)
for name in ("LTRR_MAX_ACTIVE_TASKS", "LTRR_SPARK_CONN_ID", "LTRR_TASK_HOURS", "LTRR_SPARK_LOG_LEVEL"):
    os.environ.pop(name, None)
# Airflow puts its DAGs folder there too.
sys.path.insert(0, str(CHECKOUT / "airflow_dags"))


def pytest_addoption(parser):
    parser.addoption("--rebuild-golden", action="store_true", help="write the golden files instead of comparing them")


def pytest_unconfigure():
    HOME.cleanup()


@pytest.fixture
def dag():
    """The DAG as a worker loads it: fresh, because a run's conf is written into the DAG's own params."""
    return runpy.run_path(str(CHECKOUT / "airflow_dags" / "ltrr_nightly.py"))["dag"]


@pytest.fixture
def scheduled_dag(dag):
    """The DAG as the scheduler sees it: written out and read back, with the scheduler's own timetable."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(dag))
