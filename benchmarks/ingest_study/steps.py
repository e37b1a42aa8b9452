"""Where the time of an ingestion goes: core seconds by step, from Spark's event log."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

# Text of the call that starts a query -> step. Other queries decide on the lines.
_STEPS = (
    (r"block_contents\.py", "read, parse and check lines"),
    (r"(quality|limits|naming|ingest_logs|delta)\.py|^count", "count and check"),
    (r"^save", "write other tables"),
)
_DECIDE = "join lines: duplicates, slates, events, users"
_TABLE = re.compile(r"/tables/(\w+)")


def conf_of_events(folder: Path) -> dict[str, str]:
    """Spark properties that write an event log to an existing folder."""
    names = {"enabled": "true", "dir": folder.as_uri(), "rolling.enabled": "false", "compress": "false"}
    return {f"spark.eventLog.{name}": value for name, value in names.items()}


def read_steps(folder: Path) -> dict[str, float]:
    """Step -> seconds that its tasks ran, of all cores together, longest first.

    The step `planning, no task` has the seconds in which no job ran, up to the last one.
    """
    events = list(_read_events(folder))
    steps = _step_of_queries(events)
    jobs = {event["Job ID"]: event for event in events if event["Event"] == "SparkListenerJobStart"}
    step_of_stage = {stage: steps.get(_root_of(job), _DECIDE) for job in jobs.values() for stage in job["Stage IDs"]}
    seconds: dict[str, float] = defaultdict(float)
    for event in events:
        if event["Event"] == "SparkListenerTaskEnd":
            ran = (event.get("Task Metrics") or {}).get("Executor Run Time", 0)
            seconds[step_of_stage[event["Stage ID"]]] += ran / 1e3
    seconds["planning, no task"] = _idle_seconds(jobs, events)
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def _read_events(folder: Path) -> Iterator[dict[str, Any]]:
    [file] = folder.iterdir()
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _root_of(job: Mapping[str, Any]) -> int | None:
    properties = job.get("Properties") or {}
    found = properties.get("spark.sql.execution.root.id") or properties.get("spark.sql.execution.id")
    return None if found is None else int(found)


def _step_of_queries(events: Iterable[Mapping[str, Any]]) -> dict[int | None, str]:
    steps: dict[int | None, str] = {}
    for event in events:
        if event["Event"].endswith("SparkListenerSQLExecutionStart"):
            text = event["description"]
            step = next((step for pattern, step in _STEPS if re.search(pattern, text)), _DECIDE)
            table = _TABLE.search(event["physicalPlanDescription"]) if text.startswith("save") else None
            steps[event["executionId"]] = f"write {table[1]}" if table else step
    return steps


def _idle_seconds(jobs: Mapping[int, Mapping[str, Any]], events: Iterable[Mapping[str, Any]]) -> float:
    ends = {event["Job ID"]: event["Completion Time"] for event in events if event["Event"] == "SparkListenerJobEnd"}
    idle, last = 0.0, None
    for start, end in sorted((job["Submission Time"], ends.get(number, 0)) for number, job in jobs.items()):
        if last is not None and start > last:
            idle += (start - last) / 1e3
        last = end if last is None else max(last, end)
    return idle
