"""The decision record: one search, with the data to replay its choice and to evaluate others.

`decision_record` builds it, `record_checks` checks it, and `decision_record.schema.json` describes
it for services that log without `ltrr.serving`. See docs/reference/log-contract.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import cache
from importlib.resources import files
from math import isnan, nan
from typing import Any

import ltrr
from ltrr.arrays import Floats
from ltrr.core.exploration import Distribution
from ltrr.core.planning import Block, History
from ltrr.core.plans import PlanSpace
from ltrr.core.situation import Situation
from ltrr.core.surrogates import replace_surrogates
from ltrr.errors import UsageError

RECORD_VERSION = 2
"""Version that this code writes. It reads `READ_VERSIONS`.

Version 2 added shadow decisions, milliseconds of blocks and blocks fetched off the request path."""

READ_VERSIONS = (RECORD_VERSION - 1, RECORD_VERSION)
SERVED_BY = ("policy", "static", "fallback")


def plan_decision(
    space: PlanSpace,
    *,
    observe: str,
    shared: Floats,
    history: History,
    distribution: Distribution,
    features: Floats,
    taken: int,
    taken_features: Sequence[float],
) -> dict[str, Any]:
    """The entry of `decisions` with `decide: plan`.

    Args:
        space: The plans.
        observe: What the policy sees before choosing.
        shared: Values of the shared features that were used.
        history: History that was used.
        distribution: Probabilities of all plans from which the plan was drawn.
        features: Action features of the shortlist, [K, F].
        taken: Index of the drawn plan.
        taken_features: Its action features; the plan may be outside the shortlist.
    """
    shortlist = [
        {"action": space.texts[index], "features": row, "propensity": propensity}
        for index, row, propensity in zip(
            distribution.shortlist.tolist(), features.tolist(), distribution.probabilities.tolist(), strict=True
        )
    ]
    return {
        "step": 1,
        "decide": "plan",
        "observe": observe,
        "shared": shared.tolist(),
        "history": {
            "hit_rate": history.hit_rate.tolist(),
            "marginal_hit_rate": history.marginal_hit_rate.tolist(),
        },
        "shortlist": shortlist,
        "floor": distribution.floor,
        "n_actions": distribution.n_actions,
        "action_taken": space.texts[taken],
        "taken_features": list(taken_features),
        "propensity": distribution.p(taken),
    }


def block_entry(block: Block, block_size: int) -> dict[str, Any]:
    """The entry of a block in `looks` or `draws`; a score that is NaN is null.

    >>> block_entry(Block("title", 2, "ok", ("e7",), (1.5,)), block_size=2)["results"]
    [{'entity_id': 'e7', 'rank': 3, 'score': 1.5}]
    """
    first = block.first_rank(block_size)
    results = [
        {"entity_id": entity_id, "rank": rank, "score": _null(score)}
        for rank, (entity_id, score) in enumerate(zip(block.entity_ids, block.scores, strict=True), start=first)
    ]
    entry = {"strategy": block.strategy, "depth": block.depth, "status": block.status, "results": results}
    return entry if block.milliseconds is None else entry | {"milliseconds": block.milliseconds}


def block_of(entry: Mapping[str, Any]) -> Block:
    """The block of an entry of `looks` or `draws`.

    >>> block = Block("title", 2, "ok", ("e7",), (1.5,))
    >>> block_of(block_entry(block, block_size=2)) == block
    True
    """
    results = entry["results"]
    return Block(
        entry["strategy"],
        entry["depth"],
        entry["status"],
        tuple(result["entity_id"] for result in results),
        tuple(nan if result["score"] is None else result["score"] for result in results),
        entry.get("milliseconds"),
    )


def slate_entries(entity_ids: Sequence[str], features: Floats) -> list[dict[str, Any]]:
    """Entries of the page in order: entity, position (1-based) and ranker features; NaN is null."""
    return [
        {"entity_id": entity_id, "position": position, "features": [_null(value) for value in row]}
        for position, (entity_id, row) in enumerate(zip(entity_ids, features.tolist(), strict=True), start=1)
    ]


def decision_record(
    *,
    version: str,
    impression_id: str,
    situation: Situation,
    query_text: str,
    user: str,
    session: str,
    served_by: str,
    looks: Sequence[dict[str, Any]],
    decisions: Sequence[dict[str, Any]],
    draws: Sequence[dict[str, Any]],
    slate: Sequence[dict[str, Any]],
    version_propensity: float = 1.0,
    off_path: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """One record. Memory and history are in the bundle, so their versions are the bundle's.

    Lone surrogates in its texts are replaced by U+FFFD, so that the search can be logged. An entity
    has the same id in all its entries. On a static page, the decision is that of a shadow policy.

    Raises:
        UsageError: the situation has no time or no time zone, or `served_by` is unknown.
    """
    at = situation.check_time(impression_id)
    if served_by not in SERVED_BY:
        raise UsageError(
            "a decision cannot be recorded", which=impression_id, expected=" or ".join(SERVED_BY), got=served_by
        )
    is_shadow = served_by == "static"
    record = {
        "record_version": RECORD_VERSION,
        "ltrr_version": ltrr.__version__,
        "policy_version": version,
        "version_propensity": version_propensity,
        "memory_version": version,
        "history_version": version,
        "impression_id": replace_surrogates(impression_id),
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "utc_offset_minutes": situation.utc_offset_minutes,
        "surface": replace_surrogates(situation.surface),
        "query_text": replace_surrogates(query_text),
        "user": replace_surrogates(user),
        "session": replace_surrogates(session),
        "context": {replace_surrogates(key): replace_surrogates(value) for key, value in situation.context.items()},
        "served_by": served_by,
        "looks": [{**look, "results": _encodable(look["results"])} for look in looks],
        "decisions": [] if is_shadow else list(decisions),
        "draws": [{**draw, "results": _encodable(draw["results"])} for draw in draws],
        "slate": _encodable(slate),
    }
    if is_shadow and decisions:
        record["shadow"] = decisions[0]
    if off_path:
        record["off_path"] = [{**block, "results": _encodable(block["results"])} for block in off_path]
    return record


def _encodable(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of entities, with ids that UTF-8 can encode."""
    return [{**entry, "entity_id": replace_surrogates(entry["entity_id"])} for entry in entries]


def record_line(record: Mapping[str, Any]) -> str:
    r"""A record or event as one line of the log, without the line end.

    UTF-8 can encode the line: lone surrogates are replaced by U+FFFD.

    Raises:
        ValueError: a number is NaN or infinite.

    >>> record_line({"b": 1, "a": "é"})
    '{"b":1,"a":"é"}'
    >>> record_line({"entity_id": "e\ud83d"}) == '{"entity_id":"e\ufffd"}'
    True
    """
    return replace_surrogates(json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False))


@cache
def schema(name: str) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of the log contract.

    Args:
        name: Name of the schema: `decision_record` or `event`.

    >>> schema("event")["required"]
    ['event_id', 'impression_id', 'entity_id', 'kind', 'at', 'value']
    """
    loaded: dict[str, Any] = json.loads((files("ltrr.artifacts") / f"{name}.schema.json").read_text("utf-8"))
    return loaded


def _null(value: float) -> float | None:
    return None if isnan(value) else value
