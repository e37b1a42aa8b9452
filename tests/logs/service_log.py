"""Lines of a decision service that explores over retrieval plans, with their truth."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import numpy as np

from tests.logs.log_lines import NIGHT, SPACE, noon, stamp

BEST = "title:1,memory:1"
"""The plan that earns most for queries of two words; `popular:2` does for the others."""


def service_line(number: int, day: date = NIGHT, **more: Any) -> dict[str, Any]:
    """One decision among all plans of the space, each listed in another order of its strategies.

    The probabilities differ by line, are in the order of `a`, and have full support.
    """
    rng = np.random.default_rng([number, day.toordinal()])
    p = rng.dirichlet(np.ones(len(SPACE))) * 0.7 + 0.3 / len(SPACE)
    p /= p.sum()
    taken = int(rng.choice(len(SPACE), p=p))
    is_long = number % 2 == 0
    chance = 0.8 if SPACE.text(taken) == (BEST if is_long else "popular:2") else 0.2
    thing = f"{chr(ord('a') + number // 2 % 20)}socks"
    order = rng.permutation(len(SPACE))
    texts = [",".join(reversed(text.split(","))) for text in SPACE.texts]
    return {
        "_label_cost": -float(rng.random() < chance),
        "_label_probability": float(p[taken]),
        "_label_Action": taken + 1,
        "_labelIndex": taken,
        "Timestamp": stamp(noon(day, number / 1_000)).replace("Z", "4567Z"),
        "Version": "1",
        "EventId": f"d{number}-{day}",
        "a": [int(n) + 1 for n in order],
        "c": {
            "query_text": f"Red {thing}" if is_long else thing,
            "user": f"person-{number % 61}",
            "_multi": [{"_tag": text, "i": {"constant": 1, "id": text}} for text in texts],
        },
        "p": [float(p[n]) for n in order],
        "VWState": {"m": "model"},
        **more,
    }


def observation(number: int, event_id: str, day: date = NIGHT) -> dict[str, Any]:
    """An observation that the service did not join to its decision."""
    at = stamp(noon(day) + timedelta(minutes=50 + number))
    return {
        "RewardValue": 1.0,
        "EnqueuedTimeUtc": at,
        "EventId": event_id,
        "Observations": [{"v": 1.0, "EventId": event_id, "ActionId": None}],
    }


def as_line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()
