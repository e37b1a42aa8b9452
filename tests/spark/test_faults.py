"""Faults from outside ltrr become one sentence: first cause, file, what to do, and exit code.

`engine_faults.json` has what pyspark 4.2 raised when each fault was provoked, without the frames of
Java.
"""

import json
import sqlite3
from pathlib import Path

import pytest

from ltrr.errors import ConfigError, LtrrError, SchemaError
from ltrr.logs.folder import read_fault
from ltrr.spark.faults import explain_engine_faults, explain_fault, innermost_cause, is_engine_fault

FAULTS = json.loads(Path(__file__).with_name("engine_faults.json").read_text(encoding="utf-8"))

# Fault -> exit code, and what the sentence must name.
EXPECTED = {
    "gz_cut": (1, "damaged or cut off", "/data/cut.gz", "Unexpected end of input stream"),
    "gz_plain": (1, "damaged or cut off", "/data/plain.gz", "not a gzip file"),
    "parquet_readme": (1, "not Parquet", "/data/p/README.txt"),
    "parquet_readme_schema": (1, "not Parquet", "/data/p/README.txt"),
    "path_missing": (2, "no such path", "/data/nothing"),
    "column_missing": (1, "nope"),
    "no_source": (2, "does not know this data source", "nosuch"),
    "no_s3a": (2, "a Java class is missing", "org.apache.hadoop.fs.s3a.S3AFileSystem", "--packages"),
    "module_task_map": (2, "a Python module is missing", "no_such_module", "PYSPARK_PYTHON"),
    "module_write": (2, "a Python module is missing", "no_such_module", "PYSPARK_PYTHON"),
    "module_pickle": (2, "a Python module is missing", "driver_only", "PYSPARK_PYTHON"),
    "other_python": (2, "a Python module is missing", "pyarrow", "PYSPARK_PYTHON"),
    "ltrr_error_udf": (1, "rows lie outside: events: expected a, got b; mend it"),
    "worker_killed": (1, "a Python worker died", "spark.executor.memoryOverhead"),
    "python_memory": (1, "memory ran out", "cannot allocate"),
    "divide": (1, "a value cannot be computed", "Division by zero"),
    "full_delta": (1, "a disk is full", "/data/small/t", "No space left on device"),
    "full_text": (1, "a disk is full", "/data/small/txt", "No space left on device"),
    "no_python": (2, "cannot start Python", "/no/such/python"),
    "false_python": (2, "cannot start Python", "PYSPARK_PYTHON"),
    "oom": (1, "memory ran out", "Java heap space"),
    "jvm_heap": (1, "memory ran out", "Java heap space"),
    "denied_delta": (2, "access to a file is denied", "/data/root/t/_delta_log"),
    "denied_text": (2, "access to a file is denied", "/data/root/x"),
    "denied_read": (2, "access to a file is denied", "/data/secret.txt", "Permission denied"),
    "readonly_text": (2, "access to a file is denied", "/data/ro/x"),
    "file_gone": (1, "a file that Spark expects is missing", "/data/tmp/p/part-00000"),
}


def raised(name):
    """The fault as Spark raised it: same type name, module, message and Java trace."""
    module, _, kind = FAULTS[name]["type"].rpartition(".")
    fault = type(kind, (Exception,), {"__module__": module})(FAULTS[name]["text"])
    fault._stackTrace = FAULTS[name].get("trace", "")
    return fault


def test_every_recorded_fault_has_its_row():
    assert set(FAULTS) == set(EXPECTED)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_engine_is_one_sentence_with_its_cause_and_exit_code(name):
    code, *parts = EXPECTED[name]
    fault = raised(name)
    assert is_engine_fault(fault)
    error = explain_fault(fault)
    sentence = str(error)
    assert [part for part in parts if part not in sentence] == []
    assert error.exit_code == code
    assert "An error occurred while calling" not in sentence
    assert "\n" not in sentence
    assert len(sentence) < 1000


@pytest.mark.parametrize(
    ("fault", "code", "part"),
    [
        (OSError(28, "No space left on device", "/data/x"), 1, "a disk is full: /data/x"),
        (PermissionError(13, "Permission denied", "/data/x"), 2, "access to a file is denied: /data/x"),
        (OSError(30, "Read-only file system", "/data/x"), 2, "access to a file is denied: /data/x"),
        (ModuleNotFoundError("No module named 'xgboost'"), 2, "a Python module is missing: xgboost"),
        (ImportError("libgomp.so.1: cannot open shared object file"), 1, "libgomp.so.1"),
        (ConnectionRefusedError(111, "Connection refused"), 3, "a service does not answer"),
        (sqlite3.OperationalError("database is locked"), 3, "locked by another process"),
        (sqlite3.OperationalError("database or disk is full"), 1, "a disk is full"),
        (MemoryError(), 1, "memory ran out"),
    ],
)
def test_a_fault_of_python_has_its_sentence_too(fault, code, part):
    error = explain_fault(fault)
    assert is_engine_fault(fault)
    assert (error.exit_code, part in str(error)) == (code, True), str(error)


def test_the_innermost_cause_is_reported():
    def fail():
        try:
            raise OSError(28, "No space left on device", "/data/t/part-0")
        except OSError as inner:
            raise RuntimeError("the write failed") from inner

    with pytest.raises(RuntimeError) as caught:
        fail()
    assert innermost_cause(caught.value) == "OSError: [Errno 28] No space left on device: '/data/t/part-0'"
    assert "a disk is full: /data/t/part-0" in str(explain_fault(caught.value))


def test_a_dead_java_is_not_a_service_that_will_come_back():
    # As py4j raises it after its process was killed: only the frame shows the connection.
    source = compile("raise ConnectionRefusedError(111, 'refused')", "/env/py4j/java_gateway.py", "exec")
    with pytest.raises(ConnectionRefusedError) as caught:
        exec(source)  # noqa: S102
    error = explain_fault(caught.value)
    assert (error.message, error.exit_code) == ("Spark's Java process has ended", 1)


def test_an_unknown_fault_keeps_what_the_caller_knows():
    error = explain_fault(OSError("odd"), "the log cannot be read", "/data/log")
    assert str(error).startswith("the log cannot be read: /data/log: got OSError: odd")


def test_errors_of_ltrr_and_mistakes_in_ltrr_pass_unchanged():
    with pytest.raises(ConfigError, match="mine"), explain_engine_faults("no", "x"):
        raise ConfigError("mine")
    with pytest.raises(ZeroDivisionError), explain_engine_faults("no", "x"):
        _ = 1 / 0
    own = SchemaError("mine")
    assert explain_fault(own) is own
    assert not is_engine_fault(ValueError())


@pytest.mark.parametrize(
    ("name", "folder", "blamed"),
    [
        ("gz_cut", "/data", True),
        ("gz_cut", "file:///data/", True),
        ("gz_cut", "/logs", False),
        ("full_delta", "/data", False),
    ],
)
def test_a_log_file_is_blamed_only_where_one_is_bad(name, folder, blamed):
    error = read_fault(raised(name), folder)
    assert isinstance(error, LtrrError)
    assert (error.message == "a log file cannot be read to its end") is blamed
