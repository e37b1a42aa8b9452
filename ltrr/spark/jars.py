"""Installs Delta's jars next to Spark's own, once: later sessions need no network for them.

`python -m ltrr.spark.jars` resolves them through Spark's own package resolution (a company's mirror
goes into an Ivy settings file: `LTRR_IVY_SETTINGS=FILE`), compares each with the SHA-256 in
`jars.sha256` and copies it into `pyspark/jars`. With the jars already there it only compares, in a
fraction of a second. The module imports only the standard library and ltrr.spark.java.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ltrr.spark.java import find_java

HASHES = Path(__file__).with_name("jars.sha256")
# Dependencies of Delta that Spark already contains, some in another version. Two versions of one
# class on a class path can fail at any later time.
CARRIED_BY_SPARK = (
    "com.fasterxml.jackson.*:*",
    "com.github.luben:*",
    "com.google.code.findbugs:*",
    "org.apache.hadoop:*",
    "org.apache.logging.log4j:*",
    "org.apache.parquet:*",
    "org.locationtech.jts:*",
    "org.roaringbitmap:*",
    "org.slf4j:*",
)


class JarsError(Exception):
    """The jars are not installed; the message says which, expected, got, and what to do."""


def delta_coordinates() -> str:
    """Maven coordinates of the jar that fits the installed delta-spark and pyspark.

    >>> delta_coordinates().split(":")[:2]
    ['io.delta', 'delta-spark_4.2_2.13']
    """
    spark = ".".join(version("pyspark").split(".")[:2])
    return f"io.delta:delta-spark_{spark}_2.13:{version('delta-spark')}"


def spark_home() -> Path:
    """Folder of the installed pyspark package, found without importing it."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise JarsError("pyspark is not installed in this Python: install the extra `batch` (`make setup`).")
    return Path(spec.origin).parent


def read_hashes() -> dict[str, str]:
    """Jar name -> SHA-256, as `sha256sum` writes them."""
    lines = HASHES.read_text(encoding="utf-8").splitlines() if HASHES.exists() else []
    return {name: digest for digest, name in (line.split() for line in lines if line and not line.startswith("#"))}


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def missing_jars(jars_dir: Path, hashes: dict[str, str]) -> list[str]:
    """Names of the jars that are missing from `jars_dir` or have other bytes than expected."""
    return [name for name, digest in hashes.items() if not _is_same(jars_dir / name, digest)]


def _is_same(file: Path, digest: str) -> bool:
    return file.is_file() and sha256_of(file) == digest


def resolve_jars(into: Path) -> list[Path]:
    """Resolve Delta's jars into the folder `into`; returns the files, sorted by name.

    spark-submit resolves them when it starts an empty program.
    """
    java = find_java()
    if isinstance(java, str):
        raise JarsError(java)
    program = into / "empty.py"
    program.write_text("", encoding="utf-8")
    settings = os.environ.get("LTRR_IVY_SETTINGS")
    command = [
        str(spark_home() / "bin" / "spark-submit"),
        *("--master", "local[1]"),
        *("--packages", delta_coordinates()),
        *("--exclude-packages", ",".join(CARRIED_BY_SPARK)),
        *("--conf", f"spark.jars.ivy={into / 'ivy'}"),
        *(("--conf", f"spark.jars.ivySettings={settings}") if settings else ()),
        str(program),
    ]
    environment = os.environ | {"SPARK_HOME": str(spark_home()), "PYSPARK_PYTHON": sys.executable}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    jars = sorted((into / "ivy" / "jars").glob("*.jar"))
    if ran.returncode != 0 or not jars:
        output = [line.strip() for line in (ran.stderr + ran.stdout).splitlines() if line.strip()]
        raise JarsError(
            f"Delta's jars ({delta_coordinates()}) could not be resolved: expected them from Maven Central, got exit "
            f"code {ran.returncode} ({_find_fault(output)}): check the network, or name an Ivy settings file with your "
            "mirror in LTRR_IVY_SETTINGS."
        )
    return jars


def _find_fault(output: list[str]) -> str:
    # The output of Spark's resolver ends with its stack; the line with the cause is above it.
    causes = [line for line in output if "[unresolved dependency" in line] or [
        line for line in output if "Exception" in line
    ]
    return (causes or output or ["no output"])[0][:200]


def install_jars(jars_dir: Path, *, write_hashes: bool = False) -> list[str]:
    """Copy the jars that are missing from `jars_dir`; returns their names, none the second time."""
    hashes = read_hashes()
    if not write_hashes and hashes and not missing_jars(jars_dir, hashes):
        return []
    with tempfile.TemporaryDirectory(prefix="ltrr-jars-") as folder:
        jars = resolve_jars(Path(folder))
        got = {jar.name: sha256_of(jar) for jar in jars}
        if write_hashes:
            if got != hashes:
                text = "".join(f"{digest}  {name}\n" for name, digest in got.items())
                HASHES.write_text(f"# {delta_coordinates()}; written by `make lock`\n{text}", encoding="utf-8")
        elif got != hashes:
            differing = sorted({name for name, _ in set(got.items()) ^ set(hashes.items())})
            raise JarsError(
                f"Delta's jars are not those of {HASHES.name}: {', '.join(differing)} differ: "
                "the installed delta-spark or pyspark is another version, or a mirror serves other files; "
                "nothing was copied."
            )
        for jar in jars:
            # Copy, then rename: a Spark that starts meanwhile never reads half a jar.
            part = jars_dir / f".{jar.name}.part"
            shutil.copyfile(jar, part)
            part.replace(jars_dir / jar.name)
    return list(got)


def main(argv: list[str]) -> int:
    """Install the jars: 0 done, 1 a fault (one sentence on stderr)."""
    parser = argparse.ArgumentParser(prog="python -m ltrr.spark.jars", description=__doc__.splitlines()[0])
    parser.add_argument("--write-hashes", action="store_true", help="record the jars' hashes instead of comparing them")
    arguments = parser.parse_args(argv)
    try:
        install_jars(spark_home() / "jars", write_hashes=arguments.write_hashes)
    except JarsError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
