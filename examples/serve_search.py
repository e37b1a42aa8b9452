"""A search service in one function: looks, plan, draws, page, record; also in shadow mode.

`examples/serve_search.py POLICY_URL LOG_FOLDER QUERY...` serves queries from two toy strategies and
writes the log.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ltrr.artifacts.decision_record import record_line
from ltrr.serving import MEMORY, Block, EntityFields, Policy, Situation


class Hit(NamedTuple):
    """One hit of a strategy, with the fields of the entity that the search engine returns."""

    entity_id: str
    score: float
    fields: EntityFields = EntityFields()


Search = Callable[[str, int, int], Sequence[Hit]]
"""(query_text, offset, limit) -> hits, best first."""

NO_FIELDS = EntityFields()


@dataclass
class FetchedBlocks:
    """Blocks of one search by (strategy, depth), and the fields of their entities."""

    blocks: dict[tuple[str, int], Block] = field(default_factory=dict)
    fields: dict[str, EntityFields] = field(default_factory=dict)


def fetch(
    pool: ThreadPoolExecutor,
    strategies: Mapping[str, Search],
    query_text: str,
    wanted: Sequence[tuple[str, int]],
    block_size: int,
    seconds: float,
    fetched: FetchedBlocks,
) -> None:
    """Fetch blocks in parallel; a failed or late block is empty and has that status."""
    requests = [
        (name, depth, pool.submit(strategies[name], query_text, (depth - 1) * block_size, block_size))
        for name, depth in wanted
    ]
    for name, depth, request in requests:
        try:
            hits = request.result(timeout=seconds)
        except TooLate:
            block = Block(name, depth, "timeout")
        except (OSError, ValueError):
            block = Block(name, depth, "error")
        else:
            entity_ids, scores = tuple(hit.entity_id for hit in hits), tuple(hit.score for hit in hits)
            block = Block(name, depth, "ok" if hits else "empty", entity_ids, scores)
            fetched.fields.update({hit.entity_id: hit.fields for hit in hits if hit.fields != NO_FIELDS})
        fetched.blocks[name, depth] = block


def serve(
    policy: Policy,
    pool: ThreadPoolExecutor,
    strategies: Mapping[str, Search],
    query_text: str,
    user: str,
    session: str,
    page_size: int = 10,
    seconds: float = 0.5,
    send: Callable[[tuple[str, ...]], None] | None = None,
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Serve one search: the page, which `send` gets, and the record to log.

    In shadow mode the page is the service's own. The blocks that the policy would have drawn are
    fetched after the page was sent.
    """
    policy = policy.for_user(user)  # one bundle for the whole request, the user's own while a canary runs
    space = policy.space
    impression_id = uuid.uuid4().hex
    at = datetime.now(UTC)
    fetched = FetchedBlocks()
    # The memory is part of the policy and costs no call, so all of it may be seen before the
    # choice.
    seen = [(name, 1) for name in space.strategies if name != MEMORY]
    if MEMORY in space.strategies:
        seen += [(MEMORY, depth) for depth in range(1, space.budget + 1)]
    fetch(pool, strategies, query_text, seen, space.block_size, seconds, fetched)
    looks = list(fetched.blocks.values())
    choice = policy.plan(query_text, looks, seed=impression_id, fields=fetched.fields, situation=Situation(at))

    def fetch_all(wanted: Sequence[tuple[str, int]]) -> list[Block]:
        missing = [block for block in wanted if block not in fetched.blocks]
        fetch(pool, strategies, query_text, missing, space.block_size, seconds, fetched)
        return [fetched.blocks[block] for block in wanted]

    if policy.is_shadow:
        drawn = fetch_all(own_blocks(policy))
        own = dict.fromkeys(entity_id for block in drawn for entity_id in block.entity_ids)
        slate = policy.page(query_text, drawn, list(own)[:page_size], fetched.fields)
    else:
        drawn = fetch_all(choice.blocks)
        slate = policy.rank(query_text, drawn, fetched.fields).top(page_size)
    if send is not None:
        send(slate.entity_ids)
    off_path = fetch_all(choice.blocks) if policy.is_shadow else []
    record = policy.record(
        impression_id=impression_id,
        query_text=query_text,
        user=user,
        session=session,
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=slate,
        fields=fetched.fields,
        off_path=off_path,
    )
    return slate.entity_ids, record


def own_blocks(policy: Policy) -> list[tuple[str, int]]:
    """Blocks of the service's own page: here, all blocks of the first strategy."""
    return [(policy.space.strategies[0], depth) for depth in range(1, policy.space.budget + 1)]


def toy_strategies(policy: Policy) -> dict[str, Search]:
    """The bundle's memory, and for every other strategy some entities with its name."""

    def memory(query_text: str, offset: int, limit: int) -> Sequence[Hit]:
        return [Hit(*recalled) for recalled in policy.recall(query_text, offset + limit)[offset:]]

    def toy_search(name: str) -> Search:
        def search(query_text: str, offset: int, limit: int) -> Sequence[Hit]:
            ranks = range(offset + 1, offset + limit + 1)
            return [Hit(f"{name}-{query_text}-{n}", 1.0 / n, EntityFields(f"{query_text} {n}")) for n in ranks]

        return search

    return {name: memory if name == MEMORY else toy_search(name) for name in policy.space.strategies}


def main(url: str, folder: str, *queries: str) -> None:
    """Serve each query once and write one log file."""
    policy = Policy.load(url)
    lines = []
    with ThreadPoolExecutor(max_workers=8) as pool:
        for query_text in queries:
            page, record = serve(policy, pool, toy_strategies(policy), query_text, user="user-1", session="session-1")
            decision = record.get("shadow") or record["decisions"][0]
            print(f"{query_text}: {decision['action_taken']} -> {', '.join(page)}")
            lines.append(record_line(record) + "\n")
    arrived = Path(folder) / f"dt={datetime.now(UTC).date().isoformat()}"
    arrived.mkdir(parents=True, exist_ok=True)
    (arrived / f"decisions-{uuid.uuid4().hex}.ndjson").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
