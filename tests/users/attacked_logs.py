"""A day of honest searches and of robots, as decision records and as UBI documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from tests.clicks.slates import TRUE_CURVE
from tests.logs.log_lines import as_bytes, noon, record, stamp
from tests.logs.ubi_documents import as_line

ENTITIES = TRUE_CURVE.size
QUERIES = 12
VICTIM, PROMOTED = 3, ENTITIES - 1
"""The query of the attack and its least attractive entity, which the robots click."""


@dataclass(frozen=True)
class Page:
    """A served page.

    Attributes:
        visitor: Id of the visitor.
        query: Number of the query.
        shown: Entities in order.
        clicked: Clicked entities.
    """

    visitor: str
    query: int
    shown: tuple[int, ...]
    clicked: tuple[int, ...]


def honest_pages(seed: int, pages: int = 6_000, visitors: int = 2_500) -> list[Page]:
    """Pages of visitors who click by the position-based model; entity 0 is the most attractive."""
    rng = np.random.default_rng(seed)
    attraction = 0.6 / (1.0 + np.arange(ENTITIES))
    found = []
    for _ in range(pages):
        shown = rng.permutation(ENTITIES)
        clicks = rng.random(ENTITIES) < TRUE_CURVE * attraction[shown]
        query, visitor = int(rng.integers(QUERIES)), f"person-{rng.integers(visitors)}"
        found.append(Page(visitor, query, tuple(shown.tolist()), tuple(shown[clicks].tolist())))
    return found


def attack_on_one_pair(seed: int, robots: int = 50, clicks: int = 100) -> list[Page]:
    """Each robot searches one query and clicks its least attractive entity on each page."""
    rng = np.random.default_rng(seed)
    orders = [tuple(rng.permutation(ENTITIES).tolist()) for _ in range(robots * clicks)]
    return [Page(f"robot-{n % robots}", VICTIM, shown, (PROMOTED,)) for n, shown in enumerate(orders)]


def ltrr_lines(pages: list[Page], *, by_session: bool) -> Iterator[bytes]:
    """Decision records of a static page and their events, of users or of sessions alone."""
    for n, page in enumerate(pages):
        at = noon() + timedelta(seconds=n % 36_000)
        own = {"impression_id": f"i{n}", "query_text": f"shoes {page.query}", "served_by": "static"}
        who = {"user": "" if by_session else page.visitor, "session": page.visitor}
        slate = [{"entity_id": f"e{e}", "position": p, "features": []} for p, e in enumerate(page.shown, 1)]
        blocks: dict[str, Any] = {"looks": [], "decisions": [], "draws": [], "slate": slate}
        yield as_bytes({**record(0, at=at), **own, **who, **blocks})
        for e in page.clicked:
            event = {"event_id": f"v{n}-{e}", "impression_id": f"i{n}", "entity_id": f"e{e}", "kind": "click"}
            yield as_bytes({**event, "at": stamp(at + timedelta(seconds=5)), "value": None})


def ubi_lines(pages: list[Page], *, by_session: bool) -> Iterator[bytes]:
    """UBI documents: responses and clicks, of clients or of sessions alone."""
    for n, page in enumerate(pages):
        at = noon() + timedelta(seconds=n % 36_000)
        who = {"session_id" if by_session else "client_id": page.visitor, "query_id": f"i{n}"}
        hits = [f"e{e}" for e in page.shown]
        search = {"user_query": f"shoes {page.query}", "timestamp": stamp(at), "query_response_hit_ids": hits}
        yield as_line({**who, **search})
        for e in page.clicked:
            place = {"object": {"object_id": f"e{e}"}, "position": {"ordinal": page.shown.index(e) + 1}}
            clicked = {"action_name": "click", "timestamp": stamp(at + timedelta(seconds=5)), "event_attributes": place}
            yield as_line({**who, **clicked})
