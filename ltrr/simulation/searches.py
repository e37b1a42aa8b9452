"""Searches of a day: users, queries, times and all random numbers, drawn before any page is served.

They depend on (world, date, seed) alone, so two policies on one day have the same searches, and
each row of a page has the same random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from ltrr.arrays import Floats, Longs
from ltrr.core.situation import Situation
from ltrr.simulation.users import zipf
from ltrr.simulation.world import World

DAY_SECONDS = 86_400.0
SESSION_GAP_SECONDS = 1_800.0
CLICK_WITHIN_SECONDS = 1_500.0
"""Maximum time from search to click, 25 minutes, within the attribution window of clicks."""

HOURS = (3, 2, 1, 1, 1, 2, 4, 6, 7, 7, 7, 8, 9, 8, 8, 8, 9, 10, 12, 13, 13, 12, 9, 6)
"""Relative number of searches by local hour: few at night, most in the evening."""

OFFSETS_MINUTES = (-300, 0, 60, 330)
DEVICES = ("phone", "desktop", "tv")
DEVICE_SHARES = (0.6, 0.3, 0.1)


@dataclass(frozen=True, eq=False)
class Searches:
    """Searches of a day in the order of time.

    Attributes:
        day: UTC date.
        seed: Seed of all random numbers.
        seconds: Seconds after midnight UTC, [N].
        users: User numbers, 0-based, [N].
        sessions: Number of the session among those of its user that day, [N].
        queries: Numbers of the world's queries, [N].
        spelling: Number that selects the spelling, uniform in [0, 1), [N].
        offsets: Minutes of the user's clock ahead of UTC, [N].
        devices: Indices in `DEVICES`, [N].
        click_draws: Uniform numbers; below P(click), the row is clicked, [N, positions].
        click_seconds: Seconds from search to click, [N, positions].
        purchase_draws: Uniform numbers; below P(purchase), a clicked row is bought, [N, positions].
        purchase_seconds: Seconds from click to purchase, [N, positions].
    """

    day: date
    seed: int
    seconds: Floats
    users: Longs
    sessions: Longs
    queries: Longs
    spelling: Floats
    offsets: Longs
    devices: Longs
    click_draws: Floats
    click_seconds: Floats
    purchase_draws: Floats
    purchase_seconds: Floats

    def __len__(self) -> int:
        """Number of searches."""
        return len(self.seconds)

    def impression_id(self, number: int) -> str:
        """Id of the n-th search of the day, such as `20260302-7-000012`."""
        return f"{self.day:%Y%m%d}-{self.seed}-{number:06d}"

    def at(self, number: int, after_seconds: float = 0.0) -> datetime:
        """Time of the n-th search, plus a number of seconds."""
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        return midnight + timedelta(seconds=float(self.seconds[number]) + after_seconds)

    def situation(self, number: int) -> Situation:
        """Situation of the n-th search, as the service passes it to the policy."""
        device = DEVICES[self.devices[number]]
        return Situation(self.at(number), int(self.offsets[number]), "search", {"device": device})

    def user(self, number: int) -> str:
        """The service's user id of the n-th search."""
        return f"u{self.users[number]:06d}"


def draw_searches(world: World, day: date, impressions: int, seed: int) -> Searches:
    """Draw users, queries and times of the searches, and the random numbers of their pages."""
    model = world.users
    generator = np.random.default_rng([seed, day.toordinal()])
    n, rows = impressions, (impressions, model.page_size)
    users = generator.choice(model.users, size=n, p=zipf(model.users, model.activity_exponent))
    # Time zone and device of a user do not change from day to day.
    habits = np.random.default_rng([seed])
    offsets = habits.choice(OFFSETS_MINUTES, size=model.users)[users]
    devices = habits.choice(len(DEVICES), size=model.users, p=DEVICE_SHARES)[users]
    hours = generator.choice(24, size=n, p=np.array(HOURS) / sum(HOURS)) + generator.random(n)
    seconds = np.floor((hours * 3_600.0 - offsets * 60.0) % DAY_SECONDS * 1_000.0) / 1_000.0
    queries = generator.choice(len(world.queries), size=n, p=world.traffic)
    order = np.argsort(seconds, kind="stable")
    return Searches(
        day=day,
        seed=seed,
        seconds=seconds[order],
        users=users[order],
        sessions=_sessions(users[order], seconds[order]),
        queries=queries[order],
        spelling=generator.random(n),
        offsets=offsets[order],
        devices=devices[order],
        click_draws=generator.random(rows),
        click_seconds=np.minimum(2.0 + generator.exponential(40.0, rows), CLICK_WITHIN_SECONDS),
        purchase_draws=generator.random(rows),
        purchase_seconds=generator.exponential(model.purchase_delay_hours * 3_600.0, rows),
    )


def _sessions(users: Longs, seconds: Floats) -> Longs:
    """Number of each search's session within the user's day; a session ends after half an hour."""
    sessions = np.zeros(len(users), dtype=np.int64)
    last: dict[int, tuple[float, int]] = {}
    for number, (user, at) in enumerate(zip(users.tolist(), seconds.tolist(), strict=True)):
        before, session = last.get(user, (at, 0))
        session += at - before > SESSION_GAP_SECONDS
        last[user] = (at, session)
        sessions[number] = session
    return sessions


def spell_query(query_text: str, spelling: float) -> str:
    """Spell a query: mostly unchanged, sometimes with a capital, seldom with a full stop.

    >>> [spell_query("love songs", spelling) for spelling in (0.5, 0.9, 0.97)]
    ['love songs', 'Love songs', 'love songs.']
    """
    if spelling < 0.85:
        return query_text
    return query_text.capitalize() if spelling < 0.95 else f"{query_text}."
