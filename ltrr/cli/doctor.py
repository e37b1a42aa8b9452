"""`ltrr doctor`: checks of this machine and home, one line each."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ltrr.cli.options import Common, with_common
from ltrr.config import PathSettings
from ltrr.errors import ConfigError, LtrrError, NotReadyError
from ltrr.logs.secret import SECRET_VARIABLE, read_secret
from ltrr.pipelines.preflight import local_folder
from ltrr.spark.commits import CommitLog
from ltrr.spark.delta import Warehouse
from ltrr.spark.jars import missing_jars, read_hashes, spark_home
from ltrr.spark.java import find_java
from ltrr.spark.retention import NightSettings
from ltrr.spark.session import SparkSettings, build_session
from ltrr.tables.catalog import CATALOG
from ltrr.tracking.settings import TrackingSettings
from ltrr.tracking.store import connect, without_secrets


@with_common
def doctor(common: Common) -> int:
    """Check this machine and the home, a line per check; exit 1 if anything is missing."""
    paths = common.section(PathSettings)
    tracking = common.section(TrackingSettings).under(paths.home)
    nights = common.section(NightSettings)
    spark = common.section(SparkSettings)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", platform.python_version),
        ("java", _check_java),
        ("spark", lambda: version("pyspark")),
        ("delta jars", _check_delta_jars),
        ("write access", lambda: _check_write_access(paths.home)),
        ("secret", _check_secret),
        ("mlflow", lambda: _check_mlflow(tracking, paths.home)),
        ("retention", lambda: _check_retention(paths, nights, spark)),
        ("committed tables", lambda: check_committed(paths, nights, spark)),
        ("private files", lambda: check_private_files(paths)),
    ]
    rows = [_run_check(name, check) for name, check in checks]
    common.show(rows, "ltrr doctor")
    return int(any(row["verdict"] != "ok" for row in rows))


def _run_check(name: str, check: Callable[[], str]) -> dict[str, str]:
    try:
        return {"check": name, "verdict": "ok", "detail": check()}
    except (LtrrError, OSError, PackageNotFoundError) as fault:
        return {"check": name, "verdict": "missing", "detail": str(fault)}


def _check_java() -> str:
    java = find_java()
    if isinstance(java, str):
        raise ConfigError(java)
    return f"{java.major} ({java.launcher})"


def _check_delta_jars() -> str:
    hashes = read_hashes()
    folder = spark_home() / "jars"
    missing = missing_jars(folder, hashes)
    if missing:
        raise NotReadyError(
            "Delta's jars are missing, or differ from those of jars.sha256",
            which=", ".join(missing),
            expected=f"them in {folder}",
            todo="run `python -m ltrr.spark.jars`",
        )
    return f"{len(hashes)} in {folder}, with the expected hashes"


def _check_write_access(home: Path) -> str:
    """Write a temporary file into the home, or into the nearest existing folder above it."""
    folder = home
    while not folder.exists():
        folder = folder.parent
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".ltrr-doctor-"):
        return f"{folder}" if folder == home else f"{folder} (the home {home} does not exist yet)"


def _check_secret() -> str:
    read_secret(os.environ)
    return f"{SECRET_VARIABLE} is set"


def check_private_files(paths: PathSettings) -> str:
    """Check that files with data of users are closed to other users of the machine.

    A folder without rights for others protects everything below it.

    Raises:
        ConfigError: A file or folder is open to others; the message has the command that closes it.
    """
    named = [local_folder(path) for path in (paths.tables, paths.logs, paths.quarantine)]
    private = [*named, *(paths.home / name for name in ("mlflow.db", "mlartifacts"))]
    found = [path for path in private if path is not None and path.exists()]
    opened = [str(path) for path in found if path.stat().st_mode & 0o007]
    if opened:
        raise ConfigError(
            "every user of this machine can read files with data of users",
            which=", ".join(opened),
            todo=f"run `chmod o-rwx {' '.join(opened)}`",
        )
    return f"{len(found)} closed to other users"


def _check_mlflow(tracking: TrackingSettings, home: Path) -> str:
    if not home.exists():
        return f"{version('mlflow')}; the first night makes the store"
    connect(tracking)
    return f"{version('mlflow')}; {without_secrets(tracking.uri)} answers"


def _check_retention(paths: PathSettings, nights: NightSettings, spark: SparkSettings) -> str:
    """Check that every table on disk keeps its versions long enough.

    Spark starts only if there are tables.
    """
    warehouse = _open_tables(paths, nights, spark)
    if warehouse is None:
        return "no tables yet"
    wrong = {name: warehouse.find_wrong_properties(declared) for name, declared in CATALOG.items()}
    short = [f"{name} ({', '.join(properties)})" for name, properties in wrong.items() if properties]
    if short:
        raise ConfigError(
            "tables keep their earlier versions for too short a time, or statistics of user keys",
            which=", ".join(short),
            expected=f"replaced files for {nights.readable_days} days, and no statistics of columns",
            todo="run a night: each job sets these properties of its tables before it writes",
        )
    return f"replaced files are kept for {nights.readable_days} days"


def check_committed(paths: PathSettings, nights: NightSettings, spark: SparkSettings) -> str:
    """Check that every table on disk is in the state of the last committed run."""
    warehouse = _open_tables(paths, nights, spark)
    if warehouse is None:
        return "no tables yet"
    commits = CommitLog(warehouse)
    read_by_version = {name: declared for name, declared in CATALOG.items() if declared.is_read_by_version}
    dead = [
        name
        for name, declared in read_by_version.items()
        if warehouse.has_changed_since(declared, commits.newest_version(name))
    ]
    if dead:
        raise ConfigError(
            "tables have rows of a run that did not commit",
            which=", ".join(dead),
            expected="the rows of the last committed run",
            todo="run the job or night again before any VACUUM: it restores the tables first",
        )
    return f"{len(read_by_version)} in the state of the last committed runs"


def _open_tables(paths: PathSettings, nights: NightSettings, spark: SparkSettings) -> Warehouse | None:
    """The tables, on a session that is started for them; None if there are none yet."""
    if not paths.home.exists():
        return None
    if paths.tables == str(paths.home / "tables") and not Path(paths.tables).exists():
        return None
    return Warehouse(build_session("ltrr doctor", spark), paths.tables, nights.readable_days)
