"""Check of the installed Java: whether Spark can run on it.

The module imports only the standard library, because it runs before anything is installed.
`python -I ltrr/spark/java.py` prints nothing and exits with 0 if Spark can run. Otherwise it prints
one sentence and exits with 2.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

OLDEST_JAVA = 17


@dataclass(frozen=True)
class Java:
    """A Java: its launcher, where it was found, and its major version (8 for 1.8)."""

    launcher: Path
    found_by: str
    major: int


def parse_major(version_text: str) -> int | None:
    """Major version of Java from the output of `java -version`; None if it has none.

    >>> parse_major('openjdk version "17.0.15" 2025-04-15'), parse_major('java version "1.8.0_402"')
    (17, 8)
    >>> parse_major('openjdk version "25" 2025-09-16'), parse_major("command not found")
    (25, None)
    """
    found = re.search(r'version "(?:1\.)?(\d+)', version_text)
    return int(found.group(1)) if found else None


def find_java() -> Java | str:
    """The Java that Spark will start, or one sentence that says why there is none.

    `JAVA_HOME` comes before `PATH`.
    """
    need = f"Java >= {OLDEST_JAVA} is needed"
    remedy = f"install one (a JRE is enough) or set JAVA_HOME to the folder of a Java >= {OLDEST_JAVA}"
    home = os.environ.get("JAVA_HOME")
    if home:
        launcher, found_by = Path(home) / "bin" / "java", "JAVA_HOME"
        if not launcher.is_file():
            return f"{need}, but JAVA_HOME is {home} and {launcher} does not exist: {remedy}, or unset it."
    else:
        on_path = shutil.which("java")
        if on_path is None:
            return f"{need}, but JAVA_HOME is not set and there is no java on PATH: {remedy}."
        launcher, found_by = Path(on_path), "PATH"
    try:
        shown = subprocess.run([str(launcher), "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        return f"{need}, but {launcher} (found by {found_by}) does not start ({fault}): {remedy}."
    major = parse_major(shown.stderr + shown.stdout)
    if major is None:
        output = " ".join((shown.stderr + shown.stdout).split())[:120] or f"nothing, exit code {shown.returncode}"
        return f"{need}, but {launcher} (found by {found_by}) does not report a version (output: {output}): {remedy}."
    if major < OLDEST_JAVA:
        return f"{need}, but {launcher} (found by {found_by}) is Java {major}: {remedy}."
    return Java(launcher=launcher, found_by=found_by, major=major)


def main() -> int:
    """Exit code 0 if Spark can run on the Java, else 2 (a user error)."""
    java = find_java()
    if isinstance(java, str):
        sys.stderr.write(java + "\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
