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

import ltrr.errors as errors
from ltrr.errors import LtrrError
from ltrr.spark.fault_rules import RULES

# Maximum length of the innermost message in an error, in characters: Java may report pages.
LONGEST_CAUSE = 300

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
