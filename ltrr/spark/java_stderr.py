"""Standard error of the Java that ltrr starts, without warnings that no user can act on."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Java prints the first when Spark loads its vector module, and the second when the library of
# sketches is loaded. Neither can be switched off, and neither needs any action.
FOREIGN = (
    b"WARNING: Using incubator modules: jdk.incubator.vector",
    b"Warning: Java versions > Java 11 can only operate in restricted mode",
)
STDERR = 2


@contextmanager
def filtered_stderr() -> Iterator[dict[str, Any]]:
    """Arguments of `subprocess.Popen` that send standard error through the filter.

    LTRR_DEBUG=1 switches the filter off. A thread copies lines as long as Java and its workers
    live, so the output includes the reason why a Java ends.
    """
    if os.environ.get("LTRR_DEBUG"):
        yield {}
        return
    source, sink = os.pipe()
    threading.Thread(target=_copy_lines, args=(source,), name="java-stderr", daemon=True).start()
    try:
        yield {"stderr": sink}
    finally:
        # Java has its own copy of the descriptor. The thread ends when the last copy is closed.
        os.close(sink)


def is_foreign(line: bytes) -> bool:
    """Whether the filter leaves out a line.

    >>> vector = b"WARNING: Using incubator modules: jdk.incubator.vector"
    >>> is_foreign(vector), is_foreign(b"OutOfMemoryError")
    (True, False)
    """
    return line.startswith(FOREIGN)


def _copy_lines(source: int) -> None:
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            if not is_foreign(line):
                os.write(STDERR, line)
