"""A search service in one function: looks, plan, draws, page, record.

`examples/serve_search.py POLICY_URL LOG_FOLDER QUERY...` serves queries from two toy strategies and writes the log.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ltrr.artifacts.decision_record import record_line
from ltrr.serving import Block, Policy

Search = Callable[[str, int, int], Sequence[tuple[str, float]]]
"""(query_text, offset, limit) -> entities with scores, best first."""


def fetch(
    pool: ThreadPoolExecutor,
    strategies: Mapping[str, Search],
    query_text: str,
    wanted: Sequence[tuple[str, int]],
    block_size: int,
    seconds: float,
) -> list[Block]:
    """Ask for blocks side by side; what fails or is late is an empty block that says so, never a block left out."""
    asked = [
        (name, depth, pool.submit(strategies[name], query_text, (depth - 1) * block_size, block_size))
        for name, depth in wanted
    ]
    blocks = []
    for name, depth, answer in asked:
        try:
            found = answer.result(timeout=seconds)
        except TooLate:
            blocks.append(Block(name, depth, "timeout"))
        except (OSError, ValueError):
            blocks.append(Block(name, depth, "error"))
        else:
            entity_ids = tuple(entity_id for entity_id, _ in found)
            scores = tuple(score for _, score in found)
            blocks.append(Block(name, depth, "ok" if found else "empty", entity_ids, scores))
    return blocks


def serve(
    policy: Policy,
    pool: ThreadPoolExecutor,
    strategies: Mapping[str, Search],
    query_text: str,
    user: str,
    session: str,
    page_size: int = 10,
    seconds: float = 0.5,
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Serve one search: the page, and the record to log."""
    policy = policy.pinned()  # one bundle for the whole request, even if a reload happens meanwhile
    space = policy.space
    impression_id = uuid.uuid4().hex
    looks = fetch(pool, strategies, query_text, [(name, 1) for name in space.strategies], space.block_size, seconds)
    at = datetime.now(UTC)
    choice = policy.plan(query_text, looks, seed=impression_id, at=at)
    first = {(look.strategy, look.depth): look for look in looks}
    deeper = [block for block in choice.blocks if block not in first]
    first.update(
        {
            (block.strategy, block.depth): block
            for block in fetch(pool, strategies, query_text, deeper, space.block_size, seconds)
        }
    )
    drawn = [first[block] for block in choice.blocks]
    slate = policy.rank(query_text, drawn).top(page_size)
    record = policy.record(
        impression_id=impression_id,
        at=at,
        query_text=query_text,
        user=user,
        session=session,
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=slate,
    )
    return slate.entity_ids, record


def toy_strategies(policy: Policy) -> dict[str, Search]:
    """The bundle's own memory, and for every other strategy some entities named after it."""

    def memory(query_text: str, offset: int, limit: int) -> Sequence[tuple[str, float]]:
        return policy.recall(query_text, offset + limit)[offset:]

    def named(name: str) -> Search:
        return lambda query_text, offset, limit: [
            (f"{name}-{query_text}-{rank}", 1.0 / rank) for rank in range(offset + 1, offset + limit + 1)
        ]

    return {name: memory if name == "memory" else named(name) for name in policy.space.strategies}


def main(url: str, folder: str, *queries: str) -> None:
    """Serve each query once and write one log file."""
    policy = Policy.load(url)
    lines = []
    with ThreadPoolExecutor(max_workers=8) as pool:
        for query_text in queries:
            page, record = serve(policy, pool, toy_strategies(policy), query_text, user="user-1", session="session-1")
            print(f"{query_text}: {record['decisions'][0]['action_taken']} -> {', '.join(page)}")
            lines.append(record_line(record) + "\n")
    arrived = Path(folder) / f"dt={datetime.now(UTC).date().isoformat()}"
    arrived.mkdir(parents=True, exist_ok=True)
    (arrived / f"decisions-{uuid.uuid4().hex}.ndjson").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
