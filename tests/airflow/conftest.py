"""A temporary AIRFLOW_HOME, set before any import of Airflow, and the DAG.

The DAG is available as the scheduler and as a worker load it.
"""

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
        # The golden commands contain the paths of one installation.
        "LTRR_PROJECT": "/opt/ltrr",
        "LTRR_HOME": "/data/ltrr",
        "LTRR_CONFIG": "/etc/ltrr/prod.yaml",
        "LTRR_HISTORY_STARTS": "2026-01-01",
        "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[2]"}',
    }
)
for name in ("LTRR_MAX_ACTIVE_TASKS", "LTRR_SPARK_CONN_ID", "LTRR_TASK_HOURS", "LTRR_SPARK_LOG_LEVEL"):
    os.environ.pop(name, None)
# Airflow adds its DAGs folder there too.
sys.path.insert(0, str(CHECKOUT / "airflow_dags"))


def pytest_addoption(parser):
    parser.addoption("--rebuild-golden", action="store_true", help="write the golden files instead of comparing them")


def pytest_unconfigure():
    HOME.cleanup()


@pytest.fixture
def dag():
    """The DAG as a worker loads it: new for each test, because a run changes the DAG's params."""
    return runpy.run_path(str(CHECKOUT / "airflow_dags" / "ltrr_nightly.py"))["dag"]


@pytest.fixture
def scheduled_dag(dag):
    """The DAG as the scheduler loads it: serialized, with the scheduler's own timetable."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(dag))
