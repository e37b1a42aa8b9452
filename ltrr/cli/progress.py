"""Progress on stderr: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ltrr.demo.durations import duration_text, left_text, seconds_left
from ltrr.pipelines.jobs import JOBS
from ltrr.spark.commits import JobRun


class StepProgress:
    """The running step, the time of finished steps, and the time left; used with `with`.

    Args:
        console: Console of the progress.
        steps: Names of all steps in order; a name may occur several times.
    """

    def __init__(self, console: Console, steps: Sequence[str]) -> None:
        self.console = console
        self._left = list(steps)
        self._seconds: dict[str, float] = {}
        self._label, self._started = "", time.monotonic()
        # The longest description has 39 columns. With bar, count and time the line fits into 80.
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}", markup=False),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=len(steps), left="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, label: str) -> None:
        """Show the next step as running."""
        self._label, self._started = label, time.monotonic()
        left = left_text(seconds_left(self._seconds, self._left))
        self._progress.update(self._task, description=label, left=left)

    def advance(self, done: int, total: int) -> None:
        """Show the finished share of the running step."""
        self._progress.update(self._task, description=f"{self._label} {done / max(total, 1):.0%}")

    def end(self, seconds: float | None = None) -> float:
        """Count the running step as done; returns its seconds.

        Args:
            seconds: Measured seconds of the step; by default the time since it started.
        """
        taken = time.monotonic() - self._started if seconds is None else seconds
        if self._left:
            self._seconds[self._left.pop(0)] = taken
        self._progress.update(self._task, advance=1)
        return taken

    def print(self, line: str) -> None:
        """Print a permanent line above the line that changes."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


class JobProgress:
    """Progress of the jobs of one date and of repairs before it; used with `with`.

    Without a terminal, the start of a job is a line too, so the log of a night that hangs shows the
    job.
    """

    def __init__(self, console: Console, day: date, jobs: Sequence[str] = JOBS) -> None:
        self._steps = StepProgress(console, jobs)
        self._day = day
        self._jobs_left = len(jobs)

    def __enter__(self) -> Self:
        self._steps.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._steps.__exit__(kind, fault, traceback)

    def start(self, job: str, day: date) -> None:
        """Show a job as running."""
        self._steps.start(f"{day} {job}")
        if not self._steps.console.is_terminal:
            self._steps.print(f"{day} {job}")

    def end(self, run: JobRun) -> None:
        """Print the time of a job and the number of jobs left."""
        took = f"{run.run_date} {run.job}: {duration_text(run.seconds)}"
        if run.run_date != self._day:
            self._steps.print(f"{took}, a repair")
            return
        self._steps.end(run.seconds)
        self._jobs_left -= 1
        self._steps.print(f"{took}, {jobs_left_text(self._jobs_left)}")


def jobs_left_text(count: int) -> str:
    """Text of the number of jobs left.

    >>> jobs_left_text(7), jobs_left_text(1), jobs_left_text(0)
    ('7 jobs left', '1 job left', 'done')
    """
    return f"{count} job{'s' if count != 1 else ''} left" if count else "done"


@contextmanager
def show_step(console: Console, label: str) -> Iterator[StepProgress]:
    """Progress of a single step of unknown length."""
    with StepProgress(console, [label]) as progress:
        progress.start(label)
        yield progress
