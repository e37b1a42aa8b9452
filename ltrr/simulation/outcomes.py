"""What users do with a page: clicks by examination and relevance, and purchases of what was clicked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ltrr.serving.ranker import Slate
from ltrr.simulation.searches import DAY_SECONDS, Searches
from ltrr.simulation.world import World

PRICE = 9.99
"""Of every purchase, in the currency of the service: what was earned plays no part yet, only that it was."""


def events_of(world: World, searches: Searches, number: int, slate: Slate) -> Iterator[dict[str, Any]]:
    """What the user of one search did with its page: at most one click an entity, purchases of what was clicked."""
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
