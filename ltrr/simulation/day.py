"""A day of service: users search, the published policy answers, and their events are logged.

The searches depend on (world, date, seed) alone, and the pages on the policy. A click depends on a
number that is drawn in advance for each position of each search. So a day that is simulated again
writes the same bytes, and two policies on one day have the same users with the same random numbers.

Events go to the folder of their own UTC date. Events just after midnight, and purchases up to a day
later, go to the next day's folder (`events-from-<date>-*`), which stays open until that day is
served.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ltrr.artifacts.decision_record import record_line
from ltrr.core.feature_groups import SITUATION_GROUPS
from ltrr.core.planning import Block
from ltrr.serving.bandit import Choice
from ltrr.serving.plan_choice import PlanChoice
from ltrr.serving.policy import Policy
from ltrr.serving.ranker import Ranker, Slate
from ltrr.simulation.answers import Answers, answers_of, looks_of, plan_blocks
from ltrr.simulation.log_files import close, folder_of, write_parts
from ltrr.simulation.outcomes import events_of
from ltrr.simulation.searches import Searches, draw_searches, spell_query
from ltrr.simulation.truth_table import equal_split
from ltrr.simulation.world import World

logger = logging.getLogger(__name__)

_AT_ONCE = 2_000


@dataclass(frozen=True)
class DayLog:
    """Summary of a day of service.

    Attributes:
        day: UTC date.
        version: Version of the policy that served it; the champion's version during a canary.
        impressions: Number of searches served.
        clicks: Number of clicks on them, on any arrival date.
        purchases: Number of purchases, on any arrival date.
        seconds: Duration of the simulation.
        folder: Folder of the logs.
    """

    day: date
    version: str
    impressions: int
    clicks: int
    purchases: int
    seconds: float
    folder: Path


def serve_day(
    world: World,
    policy: Policy,
    day: date,
    *,
    impressions: int,
    seed: int,
    logs_root: Path,
    progress: Callable[[int, int], None] | None = None,
    static_plan: int | None = None,
) -> DayLog:
    """Serve one day and write its logs; `_SUCCESS` comes last.

    It is one process on one core and takes about a millisecond per search. A service would run many
    such processes in parallel.

    Args:
        world: Simulated world.
        policy: Policy that answers, through the code that any service uses.
        day: UTC date.
        impressions: Number of searches.
        seed: Seed of the users' behaviour.
        logs_root: Folder with the `dt=...` folders.
        progress: Called with (searches served, all searches).
        static_plan: Plan of the service's own page, which it shows while the policy is in shadow
            mode, in the order of fusion; by default the first `equal_split`.

    Raises:
        UsageError: The day is closed and has other logs.
        ConfigError: The policy draws from a strategy that the world lacks.
    """
    started = time.perf_counter()
    searches = draw_searches(world, day, impressions, seed)
    folder = folder_of(logs_root, day)
    # No window is longer than a day, so every event arrives on this date or the next.
    events: dict[date, list[tuple[str, str, str]]] = {day: [], day + timedelta(days=1): []}
    static = equal_split(policy.space)[0] if static_plan is None else static_plan
    write_parts(folder, "decisions", _serve_all(world, policy, searches, impressions, events, progress, static))
    for arrival, arrived in events.items():
        stem = "events" if arrival == day else f"events-from-{day.isoformat()}"
        write_parts(folder_of(logs_root, arrival), stem, [line for _, line, _ in sorted(arrived)])
    close(folder)
    counts = Counter(kind for arrived in events.values() for _, _, kind in arrived)
    seconds = time.perf_counter() - started
    log = DayLog(day, policy.version, impressions, counts["click"], counts["purchase"], seconds, folder)
    figures = log.impressions, log.clicks, log.purchases, log.seconds
    logger.info("day=%s policy=%s impressions=%d clicks=%d purchases=%d seconds=%.1f", day, log.version, *figures)
    return log


def _serve_all(
    world: World,
    policy: Policy,
    searches: Searches,
    impressions: int,
    events: dict[date, list[tuple[str, str, str]]],
    progress: Callable[[int, int], None] | None,
    static_plan: int,
) -> Iterator[str]:
    """Decision records of a day, in batches; the events of each page go to the list of their date.

    An event is (time, line, kind): sorted by time, events of one time by their line.
    """
    for start in range(0, impressions, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, impressions))
        for number, line, slate in _serve(world, policy, searches, numbers, static_plan):
            for event in events_of(world, searches, number, slate):
                arrival = date.fromisoformat(event["at"][:10])
                events[arrival].append((event["at"], record_line(event), event["kind"]))
            yield line
        if progress is not None:
            progress(numbers.stop, impressions)


def _serve(
    world: World, policy: Policy, searches: Searches, numbers: range, static_plan: int
) -> Iterator[tuple[int, str, Slate]]:
    """Serve a batch of searches, each with its user's version: (number, decision record, page)."""
    sides: dict[str, list[tuple[int, Policy]]] = {}
    for number in numbers:
        mine = policy.for_user(searches.user(number))
        sides.setdefault(mine.version, []).append((number, mine))
    served = [row for side in sides.values() for row in _serve_side(world, searches, side, static_plan)]
    yield from sorted(served, key=lambda row: row[0])


def _serve_side(
    world: World, searches: Searches, side: Sequence[tuple[int, Policy]], static_plan: int
) -> Iterator[tuple[int, str, Slate]]:
    """Plan, draw and rank the searches of one version, each with its user's policy.

    In shadow mode, the choice is only logged, and the page is that of the static plan. The blocks
    of the chosen plan are fetched after the page was sent.
    """
    policy = side[0][1]
    observe = policy.manifest.settings.observe
    depths = policy.space.plans.tolist()
    needs_situation = not SITUATION_GROUPS.isdisjoint(policy.manifest.settings.features)
    # All searches of a query have the same answers and the same choice, except for the draw, unless
    # the policy uses the time and place of the search.
    answered: dict[int, tuple[Answers, tuple[Block, ...]]] = {}
    choices: dict[int, Choice] = {}
    planned: list[tuple[int, int, str, PlanChoice]] = []
    for number, mine in side:
        query = int(searches.queries[number])
        text = spell_query(world.queries[query].query_text, float(searches.spelling[number]))
        if query not in answered:
            answers = answers_of(world, policy, query)
            answered[query] = answers, looks_of(answers, observe)
        if needs_situation or query not in choices:
            situation = searches.situation(number)
            choices[query] = policy.choose(text, answered[query][1], world.fields, situation=situation)
        planned.append((number, query, text, mine.draw(text, choices[query], searches.impression_id(number))))
    # The page is a function of the set of blocks: searches with one query and one plan share it.
    served = {choice.plan_index: static_plan if policy.is_shadow else choice.plan_index for *_, choice in planned}
    wanted = dict.fromkeys((query, served[choice.plan_index]) for _, query, _, choice in planned)
    drawn = {pair: plan_blocks(answered[pair[0]][0], depths[pair[1]]) for pair in wanted}
    pages = [(world.queries[query].query_text, drawn[query, plan]) for query, plan in wanted]
    ranked = rank_static(policy, pages, world) if policy.is_shadow else policy.rank_many(pages, world.fields)
    slates = {pair: slate.top(world.users.page_size) for pair, slate in zip(wanted, ranked, strict=True)}
    for number, query, text, choice in planned:
        pair, situation = (query, served[choice.plan_index]), searches.situation(number)
        off_path: tuple[Block, ...] = ()
        if policy.is_shadow:
            on_path = {(block.strategy, block.depth) for block in (*answered[query][1], *drawn[pair])}
            chosen = plan_blocks(answered[query][0], depths[choice.plan_index])
            off_path = tuple(block for block in chosen if (block.strategy, block.depth) not in on_path)
        record = policy.record(
            impression_id=searches.impression_id(number),
            query_text=text,
            user=searches.user(number),
            session=f"{searches.user(number)}-{searches.day:%Y%m%d}-{searches.sessions[number]}",
            looks=answered[query][1],
            choice=choice,
            drawn=drawn[pair],
            slate=slates[pair],
            fields=world.fields,
            situation=situation,
            off_path=off_path,
        )
        yield number, record_line(record), slates[pair]


def rank_static(policy: Policy, pages: Sequence[tuple[str, Sequence[Block]]], world: World) -> list[Slate]:
    """A service's own pages, in the order of fusion: they do not depend on what was learned."""
    fusion = Ranker(policy.space, None, policy.manifest.settings.ranker_groups)
    ordered = fusion.rank_many([(policy.key(text), drawn) for text, drawn in pages])
    return [
        policy.page(text, drawn, slate.entity_ids, world.fields)
        for (text, drawn), slate in zip(pages, ordered, strict=True)
    ]
