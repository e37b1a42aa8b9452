"""Kinds of faults from outside ltrr: patterns of their texts, and messages to the operator."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ltrr.errors import ConfigError, LeaseError, LtrrError, NotReadyError, UsageError

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
