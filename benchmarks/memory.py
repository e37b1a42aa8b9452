"""Peak memory of a process and all its children, from Linux's /proc."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
_SECONDS = 0.5


class PeakMemory:
    """Largest sum of the memory of a process tree while the context is open.

    Memory that several processes share is divided among them (`Pss`), so it counts once. The peak
    is that of samples every half second.

    Args:
        root: Id of the process.

    >>> import os
    >>> with PeakMemory(os.getpid()) as memory:
    ...     _ = bytearray(50 << 20)
    >>> memory.bytes > 10 << 20
    True
    """

    def __init__(self, root: int) -> None:
        self.root, self.bytes = root, 0
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

    def _sample(self) -> None:
        while True:
            self.bytes = max(self.bytes, sum(map(_memory, _tree(self.root))))
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


def _parent(folder: Path) -> int:
    try:
        # The name of the command, in parentheses, may have spaces.
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        # The process has ended.
        return 0


def _memory(process: int) -> int:
    try:
        lines = (_PROC / str(process) / "smaps_rollup").read_text().splitlines()
    except OSError:
        # The process has ended.
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
