"""Peak memory and core seconds of a process and all its children, from Linux's /proc."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
_SECONDS = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessTree:
    """Peak memory and core seconds of a process tree while the context is open.

    Memory that several processes share is divided among them (`Pss`), so it counts once. Core
    seconds depend on the load of the machine far less than seconds do. Both come from samples every
    half second: what a process does after the last one is not counted.

    Attributes:
        bytes: Largest sum of the memory of all processes.
        core_seconds: Seconds of a core that all processes used, by themselves and in the kernel.

    Args:
        root: Id of the process.

    >>> import os
    >>> with ProcessTree(os.getpid()) as used:
    ...     _ = sum(range(1_000_000))
    >>> used.bytes > 10 << 20, used.core_seconds >= 0.0
    (True, True)
    """

    def __init__(self, root: int) -> None:
        self.root, self.bytes = root, 0
        self._before = _core_seconds(root)
        self._cores: dict[int, float] = {}
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        """Begin to sample."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._is_done.set()
        self._thread.join()

    @property
    def core_seconds(self) -> float:
        """Seconds of a core since the context was opened."""
        return sum(self._cores.values()) - self._before

    def _sample(self) -> None:
        while True:
            processes = _tree(self.root)
            self.bytes = max(self.bytes, sum(map(_memory, processes)))
            for process in processes:
                self._cores[process] = max(_core_seconds(process), self._cores.get(process, 0.0))
            if self._is_done.wait(_SECONDS):
                return


def _tree(root: int) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            children[_parent(folder)].append(int(folder.name))
    found = [root]
    for process in found:
        found += children[process]
    return found


def _stat(folder: Path) -> list[str]:
    """Fields of `stat` from the state on; empty if the process has ended."""
    try:
        # The name of the command, in parentheses, may have spaces.
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(folder: Path) -> int:
    fields = _stat(folder)
    return int(fields[1]) if fields else 0


def _core_seconds(process: int) -> float:
    fields = _stat(_PROC / str(process))
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _memory(process: int) -> int:
    try:
        lines = (_PROC / str(process) / "smaps_rollup").read_text().splitlines()
    except OSError:
        # The process has ended.
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
