"""Homes with real jobs on few searches of a random world, served by the first champion."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from ltrr.artifacts.bundle import versions
from ltrr.artifacts.pointer import open_policy
from ltrr.config import load_settings
from ltrr.demo.first_policy import write_demo_settings
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.serving.policy import Policy
from ltrr.simulation.day import serve_day
from ltrr.spark.comparing import compare_rows, is_same
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import CATALOG
from tests.simulation.small_worlds import chance_world

FIRST = date(2026, 3, 1)
SEARCHES = 300
KEY = {"LTRR_USER_KEY_SECRET": "of a test", "OMP_NUM_THREADS": "1"}
"""Environment variables of a night."""
# `job_runs` contains times, durations and versions of attempts, which are not results.
NOT_COMPARED = ("job_runs",)


def day_of(number: int) -> date:
    """Date of a night, counted from 0."""
    return FIRST + timedelta(days=number)


def begin_home(home: Path, nights: int, policy_of: Callable[[int], str] = lambda number: "") -> None:
    """Write settings, first champions, and logs that the first champions served.

    Args:
        home: Empty or new folder.
        nights: Number of dates with logs.
        policy_of: Number of a date -> name of its policy; empty for the policy of the settings.
    """
    world = chance_world(queries=25, entities=20)
    write_demo_settings(home, world.policy_settings(), FIRST)
    for number in range(nights):
        settings = load_settings(home, None, policy_changes(policy_of(number)))
        publish_first_champion(settings.paths.policies, settings.policy, FIRST)
        first = versions(settings.paths.policies, settings.policy.name)[0]
        policy = Policy.load(open_policy(settings.paths.policies, settings.policy.name).url, first)
        logs = Path(settings.paths.logs)
        serve_day(world, policy, day_of(number), impressions=SEARCHES, seed=number, logs_root=logs)


def policy_changes(name: str) -> list[str]:
    """Settings of a policy in the form of `--set`."""
    return [f"policy.name={name}"] if name else []


def different_tables(spark, one: Path, other: Path, skipped=NOT_COMPARED) -> dict[str, object]:
    """Tables that differ between two homes, by key or by digest, with their numbers of rows.

    Derived numbers may differ by 1e-9.
    """
    ours, theirs = (Warehouse(spark, load_settings(home).paths.tables) for home in (one, other))
    found = {}
    for name, declared in CATALOG.items():
        if name in skipped or not (ours.exists(declared) or theirs.exists(declared)):
            continue
        counts = compare_rows(ours.read(declared), theirs.read(declared), declared)
        digests = ours.digest(declared), theirs.digest(declared)
        if not is_same(counts) or digests[0] != digests[1]:
            found[name] = counts | {"digests": digests}
    return found
