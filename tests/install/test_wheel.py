"""The wheel alone is enough: commands and jobs run in an empty folder, without a checkout."""

import json
from pathlib import Path

import pytest

from ltrr.pipelines.jobs import JOBS
from ltrr.spark.jars import read_hashes, spark_home
from tests.install.installed import CHECKOUT

DATE = "2026-03-02"
DAYS = ("--date", DATE, "--home", "home")


@pytest.mark.slow
def test_no_checkout_is_on_the_path(installed):
    program = "import sys, ltrr; print(ltrr.__file__); print(*sys.path, sep='\\n')"
    done = installed.run("python", "-c", program)
    assert done.returncode == 0, done.stderr
    package, *path = done.stdout.splitlines()
    assert Path(package).parent == installed.packages / "ltrr"
    assert str(CHECKOUT) not in path


@pytest.mark.slow
def test_what_spark_submit_and_airflow_read_is_in_the_package(installed):
    """`LTRR_PROJECT` may name the installed package: it contains jobs and Spark properties."""
    project = installed.packages / "ltrr"
    for job in JOBS:
        assert (project / "jobs" / f"{job}.py").read_text() == (CHECKOUT / "jobs" / f"{job}.py").read_text()
        assert (project / "conf" / "spark" / f"{job}.conf").is_file()
    assert (project / "conf" / "spark" / "log4j2.properties").is_file()
    assert (project / "conf" / "base.yaml").is_file()
    assert (project / "airflow_dags" / "ltrr_nightly.py").is_file()


@pytest.mark.slow
def test_a_new_home_starts_in_an_empty_folder(installed):
    started = ("policies", "init", "--home", "mine", "--strategies", "a,b", "--history-starts", DATE)
    [row] = json.loads(installed.ltrr(*started, "--json"))
    assert row["published now"]
    assert row["home"] == str(installed.folder / "mine")
    [listed] = json.loads(installed.ltrr("policies", "list", "--home", "mine", "--json"))
    assert (listed["version"], listed["serves"]) == (row["serves"], "now")


@pytest.mark.slow
@pytest.mark.parametrize("doorway", [["-m", "ltrr.jobs.ingest_logs"], ["FILE"]])
def test_a_job_is_a_module_and_a_file_for_spark_submit(installed, doorway):
    """Both commands reach the checks of the job: a home that does not exist is a usage error."""
    file = str(installed.packages / "ltrr" / "jobs" / "ingest_logs.py")
    arguments = [file if part == "FILE" else part for part in doorway]
    done = installed.run("python", *arguments, "--date", DATE, "--home", "nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("ltrr: there is no such home: --home")


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.own_process
def test_delta_jars_that_are_missing_are_one_error_with_the_command_to_run(installed, tmp_path):
    spark = spark_home()
    for name in ("bin", "sbin", "python"):
        if (spark / name).exists():
            (tmp_path / name).symlink_to(spark / name)
    deltas = read_hashes()
    assert deltas
    (tmp_path / "jars").mkdir()
    for jar in (spark / "jars").glob("*.jar"):
        if jar.name not in deltas:
            (tmp_path / "jars" / jar.name).symlink_to(jar)
    made = ("policies", "init", "--home", "bare", "--strategies", "a,b", "--history-starts", DATE)
    installed.ltrr(*made)
    done = installed.run("ltrr", "tables", "list", "--home", "bare", SPARK_HOME=str(tmp_path))
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("ltrr: ")]
    assert "Delta's jars are not on Spark's class path" in line
    assert str(tmp_path / "jars") in line
    assert "python -m ltrr.spark.jars" in line
    assert "Traceback" not in done.stderr


@pytest.mark.long
@pytest.mark.spark
@pytest.mark.own_process
def test_a_simulated_day_a_night_and_two_jobs(installed):
    """Simulate a day, learn from it, and run two jobs of the night again as a scheduler does."""
    [day] = json.loads(installed.ltrr("simulate", *DAYS, "--impressions", "500", "--json"))
    assert day["impressions"] == 500
    night = json.loads(installed.ltrr("nightly", *DAYS, "--json"))
    assert [run["job"] for run in night] == list(JOBS)
    before = installed.ltrr("tables", "digest", "--home", "home")
    done = installed.run("python", "-m", "ltrr.jobs.ingest_logs", *DAYS)
    assert done.returncode == 0, done.stderr
    project = installed.packages / "ltrr"
    submit = [
        *(str(spark_home() / "bin" / "spark-submit"), "--master", "local[2]"),
        *("--properties-file", str(project / "conf" / "spark" / "fit_click_model.conf")),
        str(project / "jobs" / "fit_click_model.py"),
    ]
    done = installed.run(*submit, *DAYS, PYSPARK_PYTHON=str(installed.programs / "python"))
    assert done.returncode == 0, done.stderr
    assert installed.ltrr("tables", "digest", "--home", "home") == before
