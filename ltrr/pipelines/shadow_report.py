"""The report on shadow mode, from the tables of a home and the policy that would serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltrr.config import Settings
from ltrr.errors import NotReadyError, UsageError
from ltrr.estimation.moments import ClusteredSums
from ltrr.evaluation.judged_impressions import only_on_dates
from ltrr.evaluation.published import list_same_plan_versions, read_planning_part
from ltrr.evaluation.scoring import ALL
from ltrr.shadow.gain import ShadowGain, report_slices
from ltrr.shadow.ramp import Ramp, propose_canary
from ltrr.shadow.terms import ShadowScorer, count_shadows, shadow_searches, sum_shadows
from ltrr.spark.delta import Warehouse
from ltrr.tables.catalog import table
from ltrr.users.limits import only_counted


@dataclass(frozen=True)
class ShadowReport:
    """The report on some closed dates.

    Attributes:
        version: Version of the policy that is reported on: the newest one.
        first_date, last_date: Closed dates of the log.
        decisions: Number of shadow decisions of these dates.
        no_plan: Number of those whose static page is no plan of the policy, which are left out.
        sensitivity: Factor by which blocks that were not shown may be worth more or less.
        floor: Floor of exploration at which the gain is predicted.
        gains: Slice (all, and every query class) -> predicted gain.
        ramp: The smallest exploration that reaches a verdict.
    """

    version: str
    first_date: date
    last_date: date
    decisions: int
    no_plan: int
    sensitivity: float
    floor: float
    gains: Mapping[str, ShadowGain]
    ramp: Ramp

    @property
    def whole(self) -> ShadowGain:
        """The predicted gain on all searches."""
        return self.gains[ALL]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "version": self.version,
            "first_date": self.first_date.isoformat(),
            "last_date": self.last_date.isoformat(),
            "decisions": self.decisions,
            "no_plan": self.no_plan,
            "sensitivity": self.sensitivity,
            "floor": self.floor,
            "gains": {name: gain.to_json() for name, gain in self.gains.items()},
            "ramp": self.ramp.to_json(),
        }


def make_report(
    warehouse: Warehouse, settings: Settings, version: str, nights: int | None = None, floor: float | None = None
) -> ShadowReport:
    """The report on the closed dates of the window, for one version of the policy.

    Args:
        warehouse: Tables of the home.
        settings: Settings of the home.
        version: Published version that is reported on.
        nights: Number of nights within which a canary should have its verdict; by default the
            gate's life.
        floor: Floor of the settings at which the gain is predicted; by default the proposed one.

    Raises:
        NotReadyError: The closed dates have no shadow decision whose static page is a plan.
        UsageError: The number of nights is not in the gate's life.
    """
    wanted = settings.gate.life_nights if nights is None else nights
    if not 1 <= wanted <= settings.gate.life_nights:
        raise UsageError(
            "a canary has no verdict within this number of nights",
            which="--nights",
            expected=f"1 to {settings.gate.life_nights} (gate.life_nights)",
            got=str(wanted),
        )
    dates = _list_closed_dates(warehouse, settings)
    decisions = _read_decisions(warehouse, settings, dates)
    shadows, no_plan = count_shadows(decisions, settings.policy.space)
    if shadows == no_plan:
        raise _no_shadows(dates, shadows)
    chooser = read_planning_part(settings.paths.policies, settings.policy.name, version).chooser()
    scorer = ShadowScorer.of(chooser, settings.policy.exploration, settings.shadow)
    slates = only_on_dates(warehouse.read(table("slate_rows")), dates)
    searches = shadow_searches(decisions, slates, settings.policy.space)
    slices = sum_shadows(searches, scorer)
    # Shadow mode may be younger than the window, and a date may have no traffic.
    dates = sorted(row["log_date"] for row in searches.select("log_date").distinct().collect())
    return describe(slices, settings, version, dates, decisions=shadows, no_plan=no_plan, nights=wanted, floor=floor)


def describe(
    slices: Mapping[str, ClusteredSums],
    settings: Settings,
    version: str,
    dates: Sequence[date],
    *,
    decisions: int,
    no_plan: int,
    nights: int,
    floor: float | None = None,
) -> ShadowReport:
    """The report from the sums of `shadow.terms`."""
    shadow = settings.shadow
    confidence, least_users = settings.evaluation.confidence, settings.gate.least_users
    ramp, _ = propose_canary(slices[ALL], len(dates), nights, settings.gate, shadow, confidence)
    floor = ramp.used_floor if floor is None else floor
    gains = report_slices(slices, shadow.floors.index(floor), shadow.sensitivity, confidence, least_users)
    return ShadowReport(version, dates[0], dates[-1], decisions, no_plan, shadow.sensitivity, floor, gains, ramp)


def _list_closed_dates(warehouse: Warehouse, settings: Settings) -> list[date]:
    newest = warehouse.read(table("data_quality")).agg(F.max("log_date")).collect()[0][0]
    if newest is None:
        raise NotReadyError(
            "no night has run yet", which="data_quality", expected="a night with shadow decisions", got="none"
        )
    last = settings.logs.first_open(newest)
    days = min((last - settings.first_date).days + 1, settings.evaluation.window_days)
    if days < 1:
        raise NotReadyError(
            "no date is closed yet, because its rewards may still arrive",
            which=str(newest),
            expected=f"a night after {settings.logs.late_days} more days",
            todo="run the next nights first",
        )
    return [last - timedelta(days=age) for age in reversed(range(days))]


def _read_decisions(warehouse: Warehouse, settings: Settings, dates: Sequence[date]) -> DataFrame:
    """Decisions of the dates that count, of bundles with the plans and features of the settings."""
    read = only_on_dates(warehouse.read(table("decisions")), dates)
    versions = {row["policy_version"] for row in read.select("policy_version").distinct().collect()}
    policy = settings.policy
    alike = list_same_plan_versions(settings.paths.policies, policy.name, versions, policy)
    counted = only_counted(read, warehouse.read(table("limited_users")), settings.users)
    return counted.where(F.col("policy_version").isin(alike))


def _no_shadows(dates: Sequence[date], shadows: int) -> NotReadyError:
    return NotReadyError(
        "the log has no shadow decision whose static page is a plan of the policy",
        which=f"decisions of {dates[0]} to {dates[-1]}",
        expected="records with served_by static, a `shadow` decision, and draws that make a plan",
        got=f"{shadows} shadow decisions, none with such a page" if shadows else "no shadow decision",
        todo="log as docs/how-to/start-without-exploring.md says",
    )
