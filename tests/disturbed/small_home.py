"""Homes with real jobs on few searches: a world of chance, served by the first champion on every date."""

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
"""What the environment of a night holds."""
# Clocks, durations and versions of attempts: `job_runs` is a diary and not a result.
NOT_COMPARED = ("job_runs",)


def day_of(number: int) -> date:
    """Date of a night, from 0 on."""
    return FIRST + timedelta(days=number)


def begin_home(home: Path, nights: int, policy_of: Callable[[int], str] = lambda number: "") -> None:
    """Settings, first champions and the logs of so many dates, each served by the first champion of its policy.

    Args:
        home: an empty or new folder.
        nights: number of dates.
        policy_of: number of a date -> name of its policy; empty: that of the settings.
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
    """Settings of a policy as `--set` gives them."""
    return [f"policy.name={name}"] if name else []


def different_tables(spark, one: Path, other: Path, skipped=NOT_COMPARED) -> dict[str, object]:
    """Tables of two homes that are not the same: by key, derived numbers within 1e-9, and by digest."""
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
