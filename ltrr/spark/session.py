"""The Spark session, the same for the CLI, the scripts in `jobs/` and the tests."""

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyspark
from py4j.java_gateway import JavaGateway, JavaPackage
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from ltrr.errors import LtrrError
from ltrr.spark.java import find_java
from ltrr.spark.java_stderr import filtered_stderr
from ltrr.spark.pinned import check_conf, pin_session, with_pinned

log = logging.getLogger(__name__)

# Properties for one machine and small nights. Spark's defaults are for clusters. On one machine
# they cost seconds per table (a merge took 25 s instead of 12 s).
LOCAL: Mapping[str, str] = {
    # 50 by default; every commit replays the log in so many partitions.
    "spark.databricks.delta.snapshotPartitions": "1",
    # 10,000 by default; VACUUM lists folders in so many tasks, which takes minutes.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    # A copy of the list of files next to each commit saves time on a first read, and costs one job
    # per commit.
    "spark.databricks.delta.allFilesInCrc.enabled": "false",
    # 100 by default; a night has hundreds of short plans, and each commit of a table has the same
    # ones. Tests that repeat nights take a tenth less time.
    "spark.sql.codegen.cache.maxEntries": "2000",
    # Without it, Spark sorts all rows of a write by date. A night has two or three dates; the rows
    # of further dates are sorted.
    "spark.sql.maxConcurrentOutputFileWriters": "3",
    # Spark sorts both sides of a join unless all parts of one side are smaller than this.
    "spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": "64m",
    # 10,000 rows by default. Each task builds a batch in memory, and a parsed decision record
    # takes 10 kB: the first pass over 1,000,000 records ended without memory.
    "spark.sql.inMemoryColumnarStorage.batchSize": "1000",
    # The host name of a laptop often resolves to an address that changes with the network.
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOG4J = Path(__file__).with_name("log4j2.properties")


@dataclass(frozen=True)
class SparkSettings:
    """Spark session. Options of spark-submit take precedence over these settings.

    Properties on which results depend take precedence over both (`ltrr.spark.pinned`).

    Attributes:
        master: Spark master. Empty uses the master of spark-submit, and `local[*]` without it.
        shuffle_partitions: Number of partitions after a shuffle: 2 to 4 on one machine, about 3 per
            core on a cluster.
        driver_memory: Heap of the driver's JVM, which does all the work with a `local*` master.
        java_options: Options of the driver's JVM. Half of a night is short plans that are compiled
            once, so the first compiler tier is the fastest. That option alone reduces the code
            cache to 48 MB, which a few jobs fill; the second option keeps the usual size. If a
            night has a million searches, all tiers are faster: leave out the first option. The
            last one lets Java 17 wait for threads in native code instead of giving up although
            memory is free.
        conf: Further Spark properties, name -> value.

    Raises:
        ConfigError: `conf` changes a property on which results depend.
    """

    master: str = ""
    shuffle_partitions: int = 2
    driver_memory: str = "2g"
    java_options: str = (
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+IgnoreUnrecognizedVMOptions "
        "-XX:+UnlockDiagnosticVMOptions -XX:GCLockerRetryAllocationCount=100"
    )
    conf: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_conf(self.conf)


def properties(app: str, settings: SparkSettings) -> dict[str, str]:
    """The Spark properties of a session, name -> value.

    >>> local = properties("ltrr", SparkSettings(master="local[2]"))
    >>> local["spark.databricks.delta.snapshotPartitions"], local["spark.sql.shuffle.partitions"]
    ('1', '2')
    >>> "spark.driver.host" in properties("ltrr", SparkSettings(master="yarn"))
    False
    """
    master = settings.master or "local[*]"
    is_local = master.startswith("local")
    level = "warn" if os.environ.get("LTRR_DEBUG") else "fatal"
    log4j = f"-Dlog4j2.configurationFile={LOG4J.as_uri()} -Dltrr.spark.log.level={level}" if is_local else ""
    chosen = {
        "spark.app.name": app,
        "spark.master": master,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.default.parallelism": str(settings.shuffle_partitions),
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.extraJavaOptions": " ".join(f"-Duser.timezone=UTC {log4j} {settings.java_options}".split()),
    }
    return {**(LOCAL if is_local else {}), **chosen, **settings.conf}


def build_session(app: str, settings: SparkSettings | None = None) -> SparkSession:
    """Start Spark, join the Java that spark-submit started, or take the running session.

    Results never depend on the cluster's defaults: see `ltrr.spark.pinned`.

    Raises:
        LtrrError: Java or Delta's jars are missing.
        ConfigError: A running session has another value of a property on which results depend, and
            the property cannot be changed.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        pin_session(running)
        return running
    chosen = settings or SparkSettings()
    gateway = _launch_java(app, chosen)
    # Properties of spark-submit, or those with which `_launch_java` started Java.
    given = {
        name: value
        for name, value in dict(gateway.jvm.java.lang.System.getProperties()).items()
        if name.startswith("spark.")
    }
    wanted = properties(app, replace(chosen, master=given.get("spark.master") or chosen.master))
    if wanted["spark.master"].startswith("local"):
        # Workers would otherwise use the first `python3` on PATH. On a cluster the operator
        # chooses.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # For dates that Java itself prints and parses, outside of the session.
    zones = gateway.jvm.java.util.TimeZone
    zones.setDefault(zones.getTimeZone("UTC"))
    SparkContext(conf=_conf(with_pinned(wanted, given)), gateway=gateway)
    session = SparkSession.builder.getOrCreate()
    pin_session(session)
    # This logger prints every analysis error as a page of JSON before the error is raised.
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    log.info("spark=%s master=%s app=%s", session.version, session.sparkContext.master, app)
    return session


def _launch_java(app: str, chosen: SparkSettings) -> JavaGateway:
    """Start Java with the properties of the session, or join the Java that spark-submit started."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ and properties(app, chosen)["spark.master"].startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    try:
        # A Java that spark-submit started keeps its own properties.
        with filtered_stderr() as stderr:
            gateway: JavaGateway = launch_gateway(_conf(with_pinned(properties(app, chosen), {})), stderr)  # type: ignore[no-untyped-call]  # pyspark's has no types
    except PySparkRuntimeError as fault:
        java = find_java()
        raise LtrrError(java if isinstance(java, str) else f"Spark did not start: {fault}") from fault
    # Spark only warns of a missing extension. Every later read or write of a table would then fail
    # with an unclear error.
    if isinstance(gateway.jvm.io.delta.sql.DeltaSparkSessionExtension, JavaPackage):
        raise LtrrError(
            "Delta's jars are not on Spark's class path",
            which=str(Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent) / "jars"),
            todo="run `python -m ltrr.spark.jars` once, as `make setup` does, or give spark-submit --packages",
        )
    return gateway


def _conf(wanted: Mapping[str, str]) -> SparkConf:
    return SparkConf(loadDefaults=False).setAll(list(wanted.items()))
