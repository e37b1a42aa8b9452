"""Progress: the running step, times and the steps left; plain lines without a terminal."""

import io
from datetime import date

import pytest
from rich.console import Console

from ltrr.cli.progress import JobProgress, StepProgress
from ltrr.pipelines.jobs import JOBS
from ltrr.spark.commits import JobRun

DAY = date(2026, 3, 3)


def run_of(job: str, seconds: float, day: date = DAY) -> JobRun:
    return JobRun(job, day, 1, "0", "0", (), (), {}, seconds)


@pytest.fixture
def pipe():
    return Console(file=io.StringIO(), width=80)


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)


def test_in_a_pipe_jobs_are_plain_lines(pipe):
    with JobProgress(pipe, DAY) as progress:
        progress.start("build_memory", date(2026, 3, 2))
        progress.end(run_of("build_memory", 3.0, date(2026, 3, 2)))
        for job in JOBS[:2]:
            progress.start(job, DAY)
            progress.end(run_of(job, 72.4))
    assert pipe.file.getvalue().splitlines() == [
        "2026-03-02 build_memory",
        "2026-03-02 build_memory: 3 s, a repair",
        "2026-03-03 ingest_logs",
        "2026-03-03 ingest_logs: 1 min 12 s, 7 jobs left",
        "2026-03-03 fit_click_model",
        "2026-03-03 fit_click_model: 1 min 12 s, 6 jobs left",
    ]


def test_on_a_terminal_one_line_moves_and_the_times_stay(terminal):
    with JobProgress(terminal, DAY) as progress:
        for job in JOBS[:3]:
            progress.start(job, DAY)
            progress.end(run_of(job, 90.0))
        progress.start(JOBS[3], DAY)
        progress._steps._progress.refresh()
    shown = terminal.file.getvalue()
    assert "2026-03-03 build_memory: 1 min 30 s, 5 jobs left\n" in shown
    moving = next(line for line in reversed(shown.splitlines()) if "compute_strategy_features" in line)
    assert "3/8" in moving
    assert "about 8 min left" in moving


def test_the_line_that_moves_fits_80_columns(terminal):
    steps = StepProgress(terminal, ["serve the day", *JOBS] * 4)
    with steps:
        for _ in range(3):
            steps.start("serve the day")
            steps.end(190.0)
        steps.start("night 2 of 4 compute_strategy_features")
        with terminal.capture() as captured:
            terminal.print(steps._progress.get_renderable())
    [line] = [text.removeprefix("\x1b[2K") for text in captured.get().splitlines() if "compute" in text]
    assert len(line.rstrip()) <= 80
    assert line.rstrip().endswith("3/36 about 105 min left")


def test_an_error_ends_the_line_that_moves(terminal):
    progress = JobProgress(terminal, DAY)

    def fail():
        with progress:
            progress.start(JOBS[0], DAY)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not progress._steps._progress.live.is_started
