"""Seconds and processor seconds of a piece of work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def best_of_rounds(work: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Seconds and processor seconds, each of the best round, and the result of the last round."""
    seconds, core_seconds = [], []
    for _ in range(rounds):
        start, started_cpu = time.perf_counter(), cpu_seconds()
        answer = work()
        seconds.append(time.perf_counter() - start)
        core_seconds.append(cpu_seconds() - started_cpu)
    return {"seconds": min(seconds), "core_seconds": min(core_seconds), "answer": answer}


def cpu_seconds() -> float:
    """Processor seconds of this process and its living descendants, from /proc (Linux only)."""
    ticks, parents = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended in the meantime
            continue
        process = int(file.parent.name)
        parents[process], ticks[process] = int(fields[1]), sum(map(int, fields[11:15]))
    own, found = set(), {os.getpid()}
    while found:
        own |= found
        found = {process for process, parent in parents.items() if parent in found} - own
    return sum(ticks[process] for process in own) / os.sysconf("SC_CLK_TCK")
