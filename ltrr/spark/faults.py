"""Messages for faults from outside ltrr: Spark, Java, Python workers, files, imports.

Spark's own message for a failed write is "An error occurred while calling o71.save", and pages of
stack trace follow. The cause is the innermost exception. This module finds it, names the file, and
says what to do. The class of the error decides the exit code: configuration 2, not ready 3,
anything else 1.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ltrr.errors as errors
from ltrr.errors import ConfigError, LeaseError, LtrrError, NotReadyError, UsageError

# Maximum length of the innermost message in an error, in characters: Java may report pages.
LONGEST_CAUSE = 300

FULL_DISK = "a disk is full"
DENIED = "access to a file is denied"
DAMAGED_FILE = "a compressed file is damaged or cut off"
UNREADABLE_FILE = "a file cannot be read to its end"


@dataclass(frozen=True)
class Rule:
    """A kind of fault: the pattern of its text, and the message to the operator.

    Attributes:
        pattern: Regular expression, searched in the fault's whole text. A group `which` names the
            file, module or class at fault; a group `got` replaces the innermost cause.
        message: What is wrong.
        todo: What to do.
        kind: Class of the error, which decides the exit code.
        expected: What would be right.
    """

    pattern: str
    message: str
    todo: str
    kind: type[LtrrError] = LtrrError
    expected: str = ""

    def search(self, text: str) -> re.Match[str] | None:
        """The first match of the pattern in `text`; None without a match."""
        return re.search(self.pattern, text)


_RUN_AGAIN = "then run the same command again: unfinished work does not count"
_PYTHON_SETUP = (
    "make PYSPARK_PYTHON name, on every executor, a Python in which ltrr and its requirements are installed "
    "(requirements/batch-worlds.txt)"
)
_MEMORY = "raise spark.executor.memoryOverhead (Python) or spark.executor.memory (Java) in conf/spark/NAME.conf"

# Searched in this order: a fault that causes others comes first. A full disk, for example, also
# breaks gzip files.
RULES: tuple[Rule, ...] = (
    Rule(
        r"No space left on device|database or disk is full|Disk quota exceeded|There is not enough space on the disk",
        FULL_DISK,
        f"free space in the home, in spark.local.dir and in the temporary folder, {_RUN_AGAIN}",
    ),
    Rule(
        r"(?:ModuleNotFoundError|ImportError): (?P<got>No module named '?(?P<which>[\w.]+)'?|cannot import name .*)",
        "a Python module is missing",
        f"{_PYTHON_SETUP}; for the driver, install them in the Python that starts ltrr",
        ConfigError,
    ),
    Rule(
        r'Cannot run program "(?P<which>[^"]+)"|reading the port number from pyspark',
        "the executors cannot start Python",
        _PYTHON_SETUP,
        ConfigError,
        "a Python program on every executor",
    ),
    Rule(
        r"PYTHON_VERSION_MISMATCH|Python in worker has different version",
        "driver and executors run different versions of Python",
        _PYTHON_SETUP,
        ConfigError,
        "the same version of Python on all",
    ),
    Rule(
        r"(?:java\.io\.FileNotFoundException|AccessDeniedException|AccessControlException|PermissionError)"
        r".*(?:Permission denied|denied|Operation not permitted)|Mkdirs failed to create|Read-only file system"
        r"|DELTA_CANNOT_CREATE_LOG_PATH\] Cannot create (?P<which>\S+)"
        r"|\[Errno 13\]|\[Errno 30\]|attempt to write a readonly database"
        r"|java\.nio\.file\.AccessDeniedException",
        DENIED,
        "give the user that runs ltrr the right to read and write there, on driver and executors, or correct the path",
        ConfigError,
    ),
    Rule(
        r"(?:Status Code: 403|AccessDenied\b|InvalidAccessKeyId|SignatureDoesNotMatch|NoAuthWithAWSException"
        r"|Unable to load credentials|No AWS Credentials)",
        "the object store refuses the credentials",
        "give driver and executors credentials that may read and write there",
        ConfigError,
    ),
    Rule(
        r"(?:DATA_SOURCE_NOT_FOUND\] Failed to find the data source|Failed to find data source): (?P<which>\w+)",
        "Spark does not know this data source",
        "put its jar on Spark's class path, or correct the name",
        ConfigError,
    ),
    Rule(
        r"No FileSystem for scheme \"?(?P<which>\w+)",
        "Spark has no file system for this kind of URL",
        "put the file system's jars on Spark's class path (spark-submit --packages), or correct the path",
        ConfigError,
    ),
    Rule(
        r"(?:ClassNotFoundException: (?:Class )?|NoClassDefFoundError: )(?P<which>[\w.$/]+)",
        "a Java class is missing",
        "put its jar on the class path of driver and executors (spark-submit --packages or --jars)",
        ConfigError,
    ),
    Rule(
        r"(?:NoSuchMethodError|NoSuchFieldError|UnsupportedClassVersionError|IncompatibleClassChangeError): "
        r"(?P<got>.*)",
        "a jar is of the wrong version",
        "use the jars that `python -m ltrr.spark.jars` installs, and one version of Spark on driver and executors",
        ConfigError,
    ),
    Rule(
        r"(?s)(?=.*_delta_log).*(?:JsonEOFException|JsonParseException)",
        "the log of a Delta table is damaged",
        "restore this file from a copy of the table",
        expected="JSON objects, one a line",
    ),
    Rule(
        r"not a gzip file|[Nn]ot in GZIP format|incorrect header check|Unexpected end of (?:ZLIB )?input stream"
        r"|invalid (?:stored block|distance|code lengths|block type|bit length|literal/length)|incorrect data check"
        r"|Compressed file ended before|(?<!Json)EOFException: Unexpected end",
        DAMAGED_FILE,
        "have the file delivered again, or take it out of the folder",
        expected="a whole file in the compression that its name says",
    ),
    Rule(
        r"is not a Parquet file|not a parquet file|CANNOT_READ_FILE_FOOTER|Could not read footer|PARQUET_FOOTER"
        r"|Parquet magic bytes not found|ArrowInvalid: .*Parquet",
        "a file is not Parquet, or it is cut off",
        "take it out of the folder, or have it written again",
        expected="only whole Parquet files",
    ),
    Rule(
        r"spark\.driver\.maxResultSize|RESULT_SIZE_LIMIT",
        "a result is larger than the driver may collect",
        "raise spark.driver.maxResultSize and spark.driver.memory",
        ConfigError,
    ),
    Rule(
        r"OutOfMemoryError|MemoryError|Container killed by YARN|exceeding (?:physical )?memory limits|OOMKilled"
        r"|Cannot allocate memory|UNABLE_TO_ACQUIRE_MEMORY|Not enough memory",
        "memory ran out",
        f"{_MEMORY}; on one machine spark.driver_memory (--set spark.driver_memory=4g)",
    ),
    Rule(
        r"Python worker (?:exited unexpectedly|failed to connect back)|PYTHON_WORKER_EXITED|Python worker process"
        r" terminated",
        "a Python worker died",
        f"look for the kernel's out-of-memory killer on the executor; {_MEMORY}",
    ),
    Rule(
        r"Answer from Java side is empty|Py4JNetworkError|Error while sending or receiving|Java gateway process exited"
        r"|trying to connect to the Java server",
        "Spark's Java process has ended",
        "look for the kernel's out-of-memory killer, raise spark.driver_memory, then run the same command again",
    ),
    Rule(
        r"ExecutorLostFailure|SlaveLost|Executor heartbeat timed out",
        "an executor was lost",
        f"read its log; {_MEMORY}",
    ),
    Rule(
        r"All masters are unresponsive|Could not connect to master",
        "Spark's master does not answer",
        "start it, or correct the master",
        NotReadyError,
    ),
    Rule(
        r"BARRIER_STAGE|Barrier execution mode does not allow|requires more slots than|barrier stage that requires",
        "the ranker's workers do not all fit on the executors",
        "lower ranker.num_workers, or raise spark.executor.instances and cores in conf/spark/train_ranker.conf",
        ConfigError,
    ),
    Rule(
        r"DELTA_CONCURRENT|ConcurrentAppendException|ConcurrentDeleteReadException|ConcurrentModificationException"
        r"|ConcurrentWriteException",
        "another process changed the table at the same time",
        "stop the other writer, since only ltrr may write to its tables; then run the same command again",
        LeaseError,
    ),
    Rule(
        r"database is locked",
        "the database is locked by another process",
        "wait until it has ended, then run the same command again",
        NotReadyError,
    ),
    Rule(
        r"Connection refused|ConnectException|UnknownHostException|Name or service not known|No route to host"
        r"|Temporary failure in name resolution|Network is unreachable|Connection reset|connect timed out"
        r"|Read timed out|SocketTimeoutException|Status Code: 503|SlowDown",
        "a service does not answer",
        "check that it runs and can be reached from driver and executors, then run the same command again",
        NotReadyError,
    ),
    Rule(
        r"\[PATH_NOT_FOUND\] Path does not exist: (?P<which>\S+?)\.(?:\s|$)|PATH_NOT_FOUND",
        "there is no such path",
        "correct it",
        UsageError,
    ),
    Rule(
        r"FAILED_READ_FILE\.FILE_NOT_EXIST|FAILED_READ_FILE\.NO_HINT.*FileNotFoundException|DELTA_FILE_NOT_FOUND"
        r"|FileNotFoundException: File (?P<which>\S+) does not exist|NoSuchFileException: (?P<got>\S+)"
        r"|FileNotFoundError: \[Errno 2\]",
        "a file that Spark expects is missing",
        "check that driver and executors see the same disk under this path, and that nothing but ltrr deletes there",
    ),
    Rule(
        r"DIVIDE_BY_ZERO|ARITHMETIC_OVERFLOW|CAST_INVALID_INPUT|CAST_OVERFLOW|NUMERIC_VALUE_OUT_OF_RANGE",
        "a value cannot be computed",
        "look for an impossible value in the night's logs; `ltrr --debug ...` shows which computation it is",
    ),
    Rule(
        r"FAILED_READ_FILE",
        UNREADABLE_FILE,
        "have the file delivered or written again, or take it out of the folder",
    ),
)

_FILE = (
    r"while reading file (?P<file>\S+?)\.?(?:\s|$)",
    r"writing rows to (?P<file>\S+?)\.?(?:\s|$)",
    r"footer for file:? ?(?P<file>\S+?)\.?(?:\s|$)",
    r"(?P<file>\S+?) is not a Parquet file",
    r"Mkdirs failed to create (?P<file>\S+)",
    r"FileNotFoundException: (?P<file>/\S+) \(",
    r"(?:AccessDeniedException|FileSystemException|NoSuchFileException): (?P<file>[^\s:]+)",
    r"\[Errno \d+\] [^:\n]+: '(?P<file>[^'\n]+)'",
    r"Error (?:reading|writing) (?:file )?(?P<file>(?:file|s3a?|gs|abfss?|hdfs):\S+)",
)
_PYTHON_FAULT = re.compile(r"^(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*)(?:: (?P<said>.*))?$")
_JAVA_FAULT = re.compile(r"^(?:Caused by: |: )?(?P<type>(?:[a-z_][\w$]*\.)+[A-Z][\w$]*)(?:: ?(?P<said>.*))?$")
_RAISED = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, LtrrError)}


def explain_fault(fault: BaseException, message: str = "a fault outside of ltrr", which: str = "") -> LtrrError:
    """The error for a fault that ltrr did not raise itself.

    Args:
        fault: Caught exception; its causes are searched too.
        message: What failed, for a fault of unknown kind; a known kind has its own message.
        which: Table or file at fault, if the fault itself does not name it.

    >>> print(explain_fault(OSError(28, "No space left on device", "/data/tables")))
    a disk is full: /data/tables: got OSError: [Errno 28] No space left on device: '/data/tables'; \
free space in the home, in spark.local.dir and in the temporary folder, then run the same command \
again: unfinished work does not count
    >>> explain_fault(ModuleNotFoundError("No module named 'xgboost'")).exit_code
    2
    """
    own = next((link for link in _list_causes(fault) if isinstance(link, LtrrError)), None)
    if own is not None:
        return own
    text = "\n".join(_text_of(link) for link in _list_causes(fault))
    raised = _find_task_error(text)
    if raised is not None:
        return raised
    cause = innermost_cause(fault)
    place = _find_file(text, fault) or which
    for rule in RULES:
        found = rule.search(text)
        if found:
            named = found.groupdict()
            got = named.get("got") or cause
            at = named.get("which") or place
            return rule.kind(rule.message, which=at, expected=rule.expected, got=_shorten(got), todo=rule.todo)
    todo = "run it again; if it stays, `ltrr --debug ...` shows where it comes from"
    return LtrrError(message, which=place, got=cause, todo=todo)


@contextmanager
def explain_engine_faults(message: str, which: str) -> Iterator[None]:
    """Raise the error of `explain_fault` for an engine fault within the block.

    Args:
        message: What failed, for a fault of unknown kind.
        which: Table or file at fault.
    """
    try:
        yield
    except Exception as fault:
        if isinstance(fault, LtrrError) or not is_engine_fault(fault):
            raise
        raise explain_fault(fault, message, which) from fault


def innermost_cause(fault: BaseException) -> str:
    """Type and message of the first cause of a fault, also in Java or a Python worker.

    >>> try:
    ...     raise RuntimeError("a task failed") from ValueError("no rows in part 3")
    ... except RuntimeError as fault:
    ...     innermost_cause(fault)
    'ValueError: no rows in part 3'
    """
    last = _list_causes(fault)[-1]
    text = _text_of(last)
    lines = [line.strip() for line in text.splitlines()]
    said = _last_python_fault(text) or _last_java_fault(lines)
    if not said:
        first = next((line for line in lines if line), "")
        said = f"{type(last).__name__}: {first}" if first and not first.startswith(type(last).__name__) else first
    return _shorten(said or type(last).__name__)


def is_engine_fault(fault: BaseException) -> bool:
    """Whether a fault comes from Spark, Java, files, a database or an import.

    Any other fault is a mistake in ltrr.
    """
    home = type(fault).__module__.partition(".")[0]
    # Types of py4j, pyspark, pyarrow and MLflow are recognised by module name: an import of MLflow
    # takes seconds.
    return isinstance(fault, (OSError, ImportError, MemoryError)) or home in _ENGINES


_ENGINES = frozenset({"delta", "mlflow", "pyarrow", "py4j", "pyspark", "requests", "sqlalchemy", "sqlite3", "urllib3"})


def _list_causes(fault: BaseException) -> list[BaseException]:
    """The fault and its causes, the first cause last."""
    links: list[BaseException] = []
    link: BaseException | None = fault
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return links


def _text_of(fault: BaseException) -> str:
    # Spark's captured exceptions have Java's stack trace in an attribute. The message of an OSError
    # contains the file.
    trace = getattr(fault, "_stackTrace", None) or ""
    said = f"{type(fault).__name__}: {fault}\n{trace}"
    # A dead Java appears as a refused connection to a port of this machine. The text does not name
    # Java.
    return f"{said}\nPy4JNetworkError" if isinstance(fault, ConnectionError) and _comes_from_py4j(fault) else said


def _comes_from_py4j(fault: BaseException) -> bool:
    frames = traceback.walk_tb(fault.__traceback__)
    return any("/py4j/" in frame.f_code.co_filename.replace("\\", "/") for frame, _ in frames)


def _last_python_fault(text: str) -> str:
    """The last line of the last traceback of a Python worker; empty if there is none."""
    start = text.rfind("Traceback (most recent call last):")
    if start < 0:
        return ""
    for line in text[start:].splitlines()[1:]:
        # The frames of a traceback are indented; the first line that is not names the
        # exception.
        if line[:1].strip() and _PYTHON_FAULT.match(line.rstrip()):
            return line.strip()
    return ""


def _last_java_fault(lines: list[str]) -> str:
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    if causes:
        return causes[-1]
    # py4j prints a Java exception without causes after a colon, below "An error occurred while
    # calling o71".
    return next((line.removeprefix(": ") for line in lines if _JAVA_FAULT.match(line)), "")


def _find_task_error(text: str) -> LtrrError | None:
    """An error of ltrr that a Python worker raised, with its own message and exit code."""
    found = re.search(r"^ltrr\.errors\.(\w+): (.*)$", text, re.MULTILINE)
    return _RAISED.get(found[1], LtrrError)(found[2]) if found else None


def _find_file(text: str, fault: BaseException) -> str:
    for link in _list_causes(fault):
        name = getattr(link, "filename", None)
        if isinstance(link, OSError) and name:
            return str(name)
    found: Iterator[re.Match[str]] = (match for pattern in _FILE for match in re.finditer(pattern, text))
    return next((match["file"].strip("'\"`") for match in found), "")


def _shorten(said: str) -> str:
    # An operator needs neither the hint to switch the check off nor the SQLSTATE.
    said = re.sub(r" (?:If necessary set|SQLSTATE:) .*", "", " ".join(said.split())).rstrip(" .;")
    return said if len(said) <= LONGEST_CAUSE else f"{said[:LONGEST_CAUSE]}..."
