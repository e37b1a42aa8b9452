"""Events of simulated users: clicks by examination and relevance, and purchases after clicks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ltrr.serving.ranker import Slate
from ltrr.simulation.searches import DAY_SECONDS, Searches
from ltrr.simulation.world import World

PRICE = 9.99
"""Value of every purchase, in the service's currency. Rewards count purchases, not values."""


def events_of(world: World, searches: Searches, number: int, slate: Slate) -> Iterator[dict[str, Any]]:
    """Events of one search: at most one click per entity, and purchases of clicked entities."""
    shown = np.array([world.entity_numbers.get(entity_id, -1) for entity_id in slate.entity_ids], dtype=np.int64)
    model = world.users
    relevance = world.relevance(searches.queries[number], shown)
    chance = model.examination()[: len(shown)] * model.click_if_examined(relevance)
    clicked = searches.click_draws[number, : len(shown)] < chance
    bought = clicked & (searches.purchase_draws[number, : len(shown)] < model.purchase_if_clicked(relevance))
    for row in np.flatnonzero(clicked).tolist():
        click_after = float(searches.click_seconds[number, row])
        purchase_after = click_after + float(searches.purchase_seconds[number, row])
        happened: list[tuple[str, float, float | None]] = [("click", click_after, None)]
        if bought[row] and purchase_after < DAY_SECONDS:
            happened.append(("purchase", purchase_after, PRICE))
        for kind, after, value in happened:
            yield {
                "event_id": f"{searches.impression_id(number)}-{row + 1}-{kind}",
                "impression_id": searches.impression_id(number),
                "entity_id": slate.entity_ids[row],
                "kind": kind,
                "at": searches.at(number, after).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "value": value,
            }
