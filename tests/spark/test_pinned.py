"""No default of a cluster changes what a night computes."""

import os
import subprocess
import sys

import pytest
from pyspark.errors import AnalysisException

from ltrr.errors import ConfigError
from ltrr.spark.jars import spark_home
from ltrr.spark.pinned import DELTA_EXTENSION, EXTENSIONS, PINNED, UMASK, pin_session, with_pinned
from ltrr.spark.session import SparkSettings, build_session

# Defaults that the administrator of a cluster may have chosen.
HOSTILE = {
    "spark.sql.session.timeZone": "America/New_York",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.files.ignoreCorruptFiles": "true",
    "spark.sql.sources.partitionOverwriteMode": "DYNAMIC",
    "spark.databricks.delta.schema.autoMerge.enabled": "true",
    "spark.hadoop.fs.permissions.umask-mode": "022",
    "spark.sql.shuffle.partitions": "7",
}
START = """
from ltrr.spark.pinned import PINNED
from ltrr.spark.session import SparkSettings, build_session

spark = build_session("hostile", SparkSettings(shuffle_partitions=3))
for name in PINNED:
    print(name, spark.conf.get(name))
print("date", spark.sql("SELECT to_date(timestamp'2026-03-01T03:00:00Z')").first()[0])
print("zone", spark._jvm.java.util.TimeZone.getDefault().getID())
print("umask", spark.sparkContext._jsc.hadoopConfiguration().get("fs.permissions.umask-mode"))
print("partitions", spark.conf.get("spark.sql.shuffle.partitions"))
"""


@pytest.mark.spark
@pytest.mark.own_process
def test_the_defaults_of_a_cluster_choose_sizes_and_no_result(tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in HOSTILE.items()))
    (tmp_path / "start.py").write_text(START)
    environment = {
        **os.environ,
        "SPARK_CONF_DIR": str(tmp_path),
        "SPARK_HOME": str(spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    submit = [str(spark_home() / "bin" / "spark-submit"), "--master", "local[1]", "--driver-memory", "600m"]
    ran = subprocess.run(
        [*submit, str(tmp_path / "start.py")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = dict(line.split(" ", 1) for line in ran.stdout.splitlines() if " " in line)
    assert {name: found[name].lower() for name in PINNED} == {name: one.value.lower() for name, one in PINNED.items()}
    assert found["date"] == "2026-03-01"
    assert (found["zone"], found["umask"], found["partitions"]) == ("UTC", "077", "7")
    # spark-submit prints what a Python program writes to stderr to its own stdout.
    assert "spark-submit was given spark.sql.session.timeZone=America/New_York; ltrr uses UTC" in ran.stdout


def test_a_session_that_runs_already_is_pinned_too(spark, caplog):
    try:
        for name, value in HOSTILE.items():
            if name in PINNED:
                spark.conf.set(name, value)
        assert build_session("again") is spark
        assert {name: spark.conf.get(name).lower() for name in PINNED} == {
            name: pinned.value.lower() for name, pinned in PINNED.items()
        }
        assert "session had spark.sql.ansi.enabled=false; ltrr uses true" in caplog.text
    finally:
        pin_session(spark)


class _OtherSession:
    """A running session without Delta is refused after a look at its conf."""

    def __init__(self, **values):
        self.values, self.conf = values, self

    def get(self, name, default):
        return self.values.get(name, default)

    def set(self, name, value):
        if name in self.values:
            raise AnalysisException(f"Cannot modify the value of {name}")
        self.values[name] = value


@pytest.mark.parametrize("name", ["spark.sql.session.timeZone", "spark.sql.catalog.spark_catalog"])
def test_a_session_that_cannot_be_pinned_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=rf"{name}: expected .*, got other") as caught:
        pin_session(_OtherSession(**{name: "other"}))
    assert caught.value.exit_code == 2


def test_settings_and_other_extensions_keep_what_does_not_change_results():
    with pytest.raises(ConfigError, match=r"spark\.conf: spark\.sql\.caseSensitive: expected false, got true"):
        SparkSettings(conf={"spark.sql.caseSensitive": "true"})
    assert SparkSettings(conf={"spark.sql.ansi.enabled": "TRUE"}).conf
    chosen = with_pinned({EXTENSIONS: DELTA_EXTENSION}, {EXTENSIONS: "org.other.Extension", UMASK: "000"})
    assert chosen[EXTENSIONS] == f"org.other.Extension,{DELTA_EXTENSION}"
    assert chosen[UMASK] == "077"
    given = {"spark.executor.extraJavaOptions": "-Xss4m -Duser.timezone=Asia/Tokyo"}
    assert with_pinned({}, given)["spark.executor.extraJavaOptions"] == "-Xss4m -Duser.timezone=UTC"
