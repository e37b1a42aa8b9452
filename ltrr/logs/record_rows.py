"""One checked decision record -> its rows, as plain Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from math import nan
from typing import Any

from ltrr.artifacts.looks import block_row, facts_of
from ltrr.core.hashing import ANONYMOUS, user_fold, user_key
from ltrr.core.queries import QUERY_KEY_VERSION, query_class, query_key

Record = Mapping[str, Any]
Rows = list[dict[str, Any]]

# Most searches of a night have one of few queries.
cached_query_key = lru_cache(maxsize=65_536)(query_key)


@dataclass(frozen=True, repr=False)
class Pseudonyms:
    """Conversion of the ids of people to keys.

    The class has no repr, so that no log line can show the secret.
    """

    secret: str

    def user(self, user: str) -> str:
        """`user_key` of a user id."""
        return user_key(self.secret, user)

    def of(self, user: str, session: str, at: datetime, impression_id: str) -> str:
        """`user_key` of a search; an empty id stands for none.

        A search without a user has the key of its session, so that the limits on one user bound a
        robot without an account.
        """
        if user:
            return self.user(user)
        return self.session(session) if session else self.anonymous(at, impression_id)

    def anonymous(self, at: datetime, impression_id: str) -> str:
        """`user_key` of a search without user and session: that of no user and no other search.

        Its prefix distinguishes it from the key of a user, because such a search has no information
        about how much one user searches.
        """
        own = user_key(self.secret, f"anonymous\x1f{at.isoformat()}\x1f{impression_id}")
        return f"{ANONYMOUS}{own[len(ANONYMOUS) :]}"

    def session(self, session: str) -> str:
        """`session_key` of a session id; never equal to the key of a user of the same name."""
        return user_key(self.secret, f"session\x1f{session}")


def impression_row(
    record: Record, at: datetime, arrival_date: date, pseudonyms: Pseudonyms, key_version: int = QUERY_KEY_VERSION
) -> dict[str, Any]:
    """Row of `impressions`.

    If a clock is ahead at midnight, a record has a later date than the folder that it arrived in.
    It then counts for the date of the folder. `at` stays as logged, because a replay computes
    features from it.

    Args:
        record: Checked decision record.
        at: Time of the record in UTC.
        arrival_date: Date of the folder.
        pseudonyms: Pseudonyms of users, which have the secret.
        key_version: Version of the query key of the home.
    """
    key = cached_query_key(record["query_text"], key_version)
    user = pseudonyms.of(record["user"], record["session"], at, record["impression_id"])
    return {
        "impression_id": record["impression_id"],
        "at": at,
        "log_date": min(at.date(), arrival_date),
        "arrival_date": arrival_date,
        "query_text": record["query_text"],
        "query_key": key,
        "query_class": query_class(key),
        "user_key": user,
        "user_fold": user_fold(user),
        "session_key": pseudonyms.session(record["session"]),
        "surface": record["surface"],
        "utc_offset_minutes": record["utc_offset_minutes"],
        "context": [(name, _to_text(value)) for name, value in sorted(record["context"].items())],
        "policy_version": record["policy_version"],
        "version_propensity": record.get("version_propensity", 1.0),
        "memory_version": record["memory_version"],
        "history_version": record["history_version"],
        "served_by": record["served_by"],
        "pages": None,
    }


def decision_rows(record: Record) -> Rows:
    """Rows of `decisions`, without the columns of the impression.

    A shadow decision is a row, too: the policy's choice, while a static page was served.
    """
    further = (*record["draws"], *record.get("off_path", ()))
    facts = facts_of((*record["looks"], *further))
    seen = {(block["strategy"], block["depth"]) for block in record["looks"]}
    blocks = {
        "look": [block_row(block, facts) for block in record["looks"]],
        "deeper": [block_row(block, facts) for block in further if (block["strategy"], block["depth"]) not in seen],
        "drawn": drawn_depths(record["draws"]),
    }
    shadow = record.get("shadow")
    rows = [_decision_row(decision, is_shadow=False) for decision in record["decisions"]]
    rows += [_decision_row(shadow, is_shadow=True)] if shadow else []
    return [{**row, **blocks} for row in rows]


def drawn_depths(draws: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Strategy -> depth of its deepest drawn block, as pairs in order.

    >>> drawn_depths([{"strategy": "title", "depth": 3}, {"strategy": "title", "depth": 1}])
    [('title', 3)]
    """
    depths: dict[str, int] = {}
    for block in draws:
        depths[block["strategy"]] = max(depths.get(block["strategy"], 0), int(block["depth"]))
    return sorted(depths.items())


def _decision_row(decision: Mapping[str, Any], *, is_shadow: bool) -> dict[str, Any]:
    features = {entry["action"]: entry["features"] for entry in decision["shortlist"]}
    features.setdefault(decision["action_taken"], decision["taken_features"])
    return {
        "step": decision["step"],
        "decide": decision["decide"],
        "observe": decision["observe"],
        "action_taken": decision["action_taken"],
        "logging_propensity": decision["propensity"],
        "action_propensities": [{"action": e["action"], "p": e["propensity"]} for e in decision["shortlist"]],
        "floor": decision["floor"],
        "n_actions": decision["n_actions"],
        "shared_features": decision["shared"],
        "action_features": [{"action": action, "features": values} for action, values in features.items()],
        "hit_rate": decision["history"]["hit_rate"],
        "marginal_hit_rate": decision["history"]["marginal_hit_rate"],
        "is_shadow": is_shadow,
    }


def slate_row_rows(record: Record) -> Rows:
    """Rows of `slate_rows` without events; a feature that the record has as null is NaN."""
    return [
        {
            "position": row["position"],
            "entity_id": row["entity_id"],
            "features": [nan if value is None else value for value in row["features"]],
        }
        for row in record["slate"]
    ]


def block_rows(record: Record) -> tuple[Rows, Rows]:
    """Rows of `draws` and `candidates`: every fetched block once.

    It is looked at, drawn, both, or neither: then it was fetched off the request path.

    >>> def block(strategy, *entity_ids):
    ...     ranked = enumerate(entity_ids, start=1)
    ...     results = [{"entity_id": e, "rank": rank, "score": 1.0} for rank, e in ranked]
    ...     return {"strategy": strategy, "depth": 1, "status": "ok", "results": results}
    >>> record = {"looks": [block("title", "e1", "e2"), block("memory", "e3")],
    ...           "draws": [block("title", "e1", "e2"), block("popular", "e2")],
    ...           "off_path": [block("fuzzy", "e1")],
    ...           "slate": [{"position": 1, "entity_id": "e2"}, {"position": 2, "entity_id": "e1"}]}
    >>> draws, candidates = block_rows(record)
    >>> for draw in draws:
    ...     print(draw["strategy"], draw["is_looked_at"], draw["is_drawn"], draw["new_entities"])
    title True True 1
    memory True False 1
    popular False True 0
    fuzzy False False 0
    >>> [(c["strategy"], c["entity_id"], c["position"]) for c in candidates][:3]
    [('title', 'e1', 2), ('title', 'e2', 1), ('memory', 'e3', None)]
    """
    looked_at = {(block["strategy"], block["depth"]): block for block in record["looks"]}
    drawn = {(block["strategy"], block["depth"]): block for block in record["draws"]}
    off_path = {(block["strategy"], block["depth"]): block for block in record.get("off_path", ())}
    position = {row["entity_id"]: row["position"] for row in record["slate"]}
    listings = Counter(entity_id for block in drawn.values() for entity_id in _entity_ids(block))
    draws: Rows = []
    candidates: Rows = []
    # The page was made of the drawn blocks, so the draw wins if a look and a draw have the same
    # block.
    for place, block in {**looked_at, **drawn, **off_path}.items():
        shared: dict[str, Any] = {
            "strategy": block["strategy"],
            "depth": block["depth"],
            "is_looked_at": place in looked_at,
            "is_drawn": place in drawn,
        }
        # A drawn block itself lists each of its entities once.
        alone = 1 if place in drawn else 0
        new_entities = sum(listings[entity_id] == alone for entity_id in _entity_ids(block))
        draws.append(
            {
                **shared,
                "status": block["status"],
                "results": len(block["results"]),
                "new_entities": new_entities,
                "milliseconds": block.get("milliseconds"),
            }
        )
        candidates += (
            {
                **shared,
                "rank": result["rank"],
                "entity_id": result["entity_id"],
                "score": result["score"],
                "position": position.get(result["entity_id"]),
            }
            for result in block["results"]
        )
    return draws, candidates


def _entity_ids(block: Mapping[str, Any]) -> Sequence[str]:
    return [result["entity_id"] for result in block["results"]]


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
