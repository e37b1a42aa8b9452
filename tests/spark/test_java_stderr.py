"""Standard error of Java passes, except for lines that no user can act on."""

import subprocess
import sys
import threading

import pytest

from ltrr.spark.java_stderr import filtered_stderr

PROGRAM = """
import sys
print("WARNING: Using incubator modules: jdk.incubator.vector", file=sys.stderr)
print("java.lang.OutOfMemoryError: Java heap space", file=sys.stderr)
print("Warning: Java versions > Java 11 can only operate in restricted mode where no off-heap", file=sys.stderr)
"""


def written(capfd):
    with filtered_stderr() as arguments:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], **arguments)
    process.wait()
    for thread in threading.enumerate():
        if thread.name == "java-stderr" and arguments:
            thread.join(timeout=0.5)
    return capfd.readouterr().err.splitlines()


def test_foreign_lines_are_left_out_and_all_others_stay(capfd, monkeypatch):
    monkeypatch.delenv("LTRR_DEBUG", raising=False)
    assert written(capfd) == ["java.lang.OutOfMemoryError: Java heap space"]


@pytest.mark.parametrize("value", ["1"])
def test_debugging_shows_every_line(capfd, monkeypatch, value):
    monkeypatch.setenv("LTRR_DEBUG", value)
    assert len(written(capfd)) == 3
