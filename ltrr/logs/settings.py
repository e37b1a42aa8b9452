"""Settings of the ingestion of a night's logs: windows, waiting times, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from ltrr.errors import check_ranges
from ltrr.logs.line_format import SERVICE_PATHS

MINUTES_A_DAY = 24 * 60
_ADDED_LATER = frozenset({"actions", "formats", "service_paths"})
_KINDS_ADDED_LATER = frozenset({"add_to_cart", "watch", "impression"})


@dataclass(frozen=True)
class EventKind:
    """One kind of event.

    Attributes:
        window_minutes: Number of minutes after the impression during which an event counts.
        worth: Reward of one event.
        shows: Whether the event says that an entity was shown at a position. It earns no reward.
    """

    window_minutes: int
    worth: float = 1.0
    shows: bool = False


def _default_kinds() -> dict[str, EventKind]:
    return {
        "click": EventKind(window_minutes=30),
        "purchase": EventKind(window_minutes=MINUTES_A_DAY),
        "add_to_cart": EventKind(window_minutes=MINUTES_A_DAY),
        "watch": EventKind(window_minutes=MINUTES_A_DAY),
        "impression": EventKind(window_minutes=MINUTES_A_DAY, worth=0.0, shows=True),
    }


def _default_formats() -> dict[str, str]:
    return {"ltrr-*": "ltrr", "ubi-*": "ubi"}


def _default_actions() -> dict[str, str]:
    kinds = ("impression", "click", "add_to_cart", "purchase", "watch")
    return {**{kind: kind for kind in kinds}, "view": "impression", "click_through": "click"}


@dataclass(frozen=True)
class LogSettings:
    """Ingestion of logs, and limits that stop a night with unusual logs.

    Attributes:
        kinds: Event kind -> reward window and reward. Events of other kinds are rejected. A kind
            with `shows` says that an entity was shown, and earns no reward. The kinds add_to_cart,
            watch and impression exist in any case.
        actions: Action of a foreign log (UBI's `action_name`) -> event kind. Other actions are
            rejected as `other_action`, which no check counts as a fault.
        formats: Pattern of file names -> format of their lines: `ltrr`, `ubi`, `dsjson`, or the
            path of a YAML file that maps the columns of a table, relative to the home. The first
            pattern that fits counts. Without one, the keys of each line show its format.
        service_paths: Value of a decision service's line (dsjson) -> its path: `plan` within each
            action of c._multi; query_text, user, session and surface within the line, such as
            c.FromUrl.0.query. Values that are not named keep their default.
        page_reward_cap: Maximum reward of one entity of one impression.
        late_days: Number of nights that an event waits for its impression, and that an id is
            remembered after its date has closed.
        rejected_share_limit: Maximum share of a night's lines that may be rejected.
        fallback_share_limit: Maximum share of impressions that may be served by the fallback.
        volume_factor: Factor by which the number of impressions may differ from the usual number,
            up or down.
        volume_days: Number of nights whose median is the usual number of impressions.
        quarantine_days: Number of days for which rejected raw lines are kept.
        clock_skew_seconds: Maximum difference, in seconds, between two clocks of the services. A
            record whose time is at most this much after the folder's date counts for that date. An
            event may precede its impression by as much.
        reload_days: Number of days within which every service follows the pointer. Until then,
            records that name a strategy of the previous bundle are accepted, whatever strategies
            the policy has now.

    Raises:
        ConfigError: `kinds` has no `click`, or a number is out of its range.
    """

    kinds: Mapping[str, EventKind] = field(default_factory=_default_kinds)
    actions: Mapping[str, str] = field(default_factory=_default_actions)
    formats: Mapping[str, str] = field(default_factory=_default_formats)
    service_paths: Mapping[str, str] = field(default_factory=lambda: dict(SERVICE_PATHS))
    page_reward_cap: float = 1.0
    late_days: int = 7
    rejected_share_limit: float = 0.01
    fallback_share_limit: float = 0.01
    volume_factor: float = 3.0
    volume_days: int = 7
    quarantine_days: int = 30
    clock_skew_seconds: float = 5.0
    reload_days: int = 7

    def __post_init__(self) -> None:
        defaults = _default_kinds()
        # Settings that name kinds are older than these; a mapping of kinds has no other default.
        later = {name: defaults[name] for name in sorted(_KINDS_ADDED_LATER) if name not in self.kinds}
        object.__setattr__(self, "kinds", {**self.kinds, **later})
        object.__setattr__(self, "service_paths", {**SERVICE_PATHS, **self.service_paths})
        shares = ("rejected_share_limit", "fallback_share_limit")
        rules = (
            ("kinds", "click" in self.kinds, "at least one kind, click among them"),
            *(
                (f"kinds.{name}", _is_valid(kind), "a window >= 1 minute, worth >= 0, and 0 if it shows")
                for name, kind in self.kinds.items()
            ),
            ("service_paths", self.service_paths.keys() == SERVICE_PATHS.keys(), f"some of {', '.join(SERVICE_PATHS)}"),
            ("page_reward_cap", self.page_reward_cap > 0, "> 0"),
            *((name, 0 <= getattr(self, name) <= 1, "0..1") for name in shares),
            *((name, getattr(self, name) >= 1, ">= 1") for name in ("late_days", "volume_factor")),
            *((name, getattr(self, name) >= 1, ">= 1") for name in ("volume_days", "quarantine_days")),
            ("clock_skew_seconds", 0 <= self.clock_skew_seconds <= 3600, "0..3600"),
            ("reload_days", self.reload_days >= 0, ">= 0"),
        )
        check_ranges("logs", self, rules)

    @property
    def shown_kinds(self) -> tuple[str, ...]:
        """Kinds of event that say that an entity was shown, sorted.

        >>> LogSettings().shown_kinds
        ('impression',)
        """
        return tuple(sorted(name for name, kind in self.kinds.items() if kind.shows))

    @property
    def longest_window_minutes(self) -> int:
        """Number of minutes after an impression until its last event can count."""
        return max((kind.window_minutes for kind in self.kinds.values()), default=0)

    @property
    def days_open(self) -> int:
        """Number of nights after its own in which a date accepts events.

        It is ceil(longest window / 24 h).

        >>> LogSettings().days_open
        1
        >>> LogSettings(kinds={"click": EventKind(30), "purchase": EventKind(1441)}).days_open
        2
        """
        return -(-self.longest_window_minutes // MINUTES_A_DAY)

    def digested(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that enter the digest of all settings.

        Args:
            given: These settings as plain data.
        """
        # Settings that are newer than the first homes count only if they are changed.
        defaults = LogSettings()
        kept = {
            name: value for name, value in given.items() if name not in _ADDED_LATER or value != getattr(defaults, name)
        }
        kinds = {
            name: {key: value for key, value in kind.items() if key != "shows" or value}
            for name, kind in given["kinds"].items()
            if name not in _KINDS_ADDED_LATER or self.kinds[name] != defaults.kinds[name]
        }
        return {**kept, "kinds": kinds}

    def first_open(self, night: date) -> date:
        """Oldest date that the logs of a night may change.

        >>> LogSettings().first_open(date(2026, 3, 2))
        datetime.date(2026, 3, 1)
        """
        return night - timedelta(days=self.days_open)

    def oldest_remembered_date(self, night: date) -> date:
        """Oldest date whose ids are compared with those of the night.

        It is late_days before the open dates.

        >>> LogSettings().oldest_remembered_date(date(2026, 3, 9))
        datetime.date(2026, 3, 1)
        """
        return self.first_open(night) - timedelta(days=self.late_days)

    def newest_expired_arrival(self, night: date) -> date:
        """Latest arrival date of the events that stop waiting for their impression.

        >>> LogSettings().newest_expired_arrival(date(2026, 3, 8))
        datetime.date(2026, 3, 1)
        """
        return night - timedelta(days=self.late_days)


def _is_valid(kind: EventKind) -> bool:
    return kind.window_minutes >= 1 and kind.worth >= 0 and not (kind.shows and kind.worth)
