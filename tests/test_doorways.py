"""The scheduler and ltrr have the same list of jobs, although the DAG does not import ltrr."""

import ast
from pathlib import Path

from ltrr.pipelines.jobs import JOBS, NEEDS

CHECKOUT = Path(__file__).resolve().parents[1]


def test_there_is_one_doorway_and_one_properties_file_a_job():
    assert sorted(file.stem for file in (CHECKOUT / "jobs").glob("*.py")) == sorted(JOBS)
    assert sorted(file.stem for file in (CHECKOUT / "conf" / "spark").glob("*.conf")) == sorted(JOBS)


def test_the_order_of_the_tasks_is_the_order_of_the_jobs():
    # tests/airflow holds the DAG to this literal, in an environment without ltrr.
    module = ast.parse((CHECKOUT / "tests" / "airflow" / "test_ltrr_nightly.py").read_text())
    [upstream] = [
        statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "UPSTREAM"
    ]
    assert ast.literal_eval(upstream) == {job: set(before) for job, before in NEEDS.items()}


def test_barrier_training_has_a_fixed_number_of_executors():
    lines = (CHECKOUT / "conf" / "spark" / "train_ranker.conf").read_text().splitlines()
    properties = dict(line.split() for line in lines if line and not line.startswith("#"))
    assert properties["spark.dynamicAllocation.enabled"] == "false"
    assert int(properties["spark.executor.instances"]) >= 1
