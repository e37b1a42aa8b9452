"""Homes with real jobs on few searches: a world of chance, served by the first champion on every date."""

from datetime import date, timedelta
from pathlib import Path

from ltrr.config import load_settings
from ltrr.demo.first_policy import write_demo_settings
from ltrr.demo.loop import current_policy
from ltrr.publishing.first_champion import publish_first_champion
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


def begin_home(home: Path, nights: int, policies: tuple[str, ...] = ()) -> None:
    """Settings, first champions and the logs of so many dates.

    Args:
        home: an empty or new folder.
        nights: number of dates.
        policies: further policies of the home, each with a first champion.
    """
    world = chance_world(queries=25, entities=20)
    write_demo_settings(home, world.policy_settings(), FIRST)
    settings = load_settings(home)
    for name in ("", *policies):
        changed = load_settings(home, None, [f"policy.name={name}"] if name else [])
        publish_first_champion(changed.paths.policies, changed.policy, FIRST)
    policy = current_policy(settings)
    for number in range(nights):
        serve_day(world, policy, day_of(number), impressions=SEARCHES, seed=number, logs_root=Path(settings.paths.logs))


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
