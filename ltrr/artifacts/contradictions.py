"""Contradictions between parts of a decision record that are valid by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ltrr.artifacts.field_checks import short_text
from ltrr.artifacts.record_fields import HISTORY

TOLERANCE = 1e-6
"""Largest difference from 1 of the sum of logged propensities."""


def record_contradictions(record: Mapping[str, Any]) -> Iterator[str]:
    """Reasons against a record that `record_checks.check_form` accepts."""
    for kind in ("looks", "draws", "off_path"):
        yield from block_contradictions(record.get(kind, []), kind)
    on_path = {(block["strategy"], block["depth"]) for kind in ("looks", "draws") for block in record[kind]}
    twice = sorted(on_path.intersection((block["strategy"], block["depth"]) for block in record.get("off_path", [])))
    if twice:
        yield f"off_path: expected blocks that are not in looks or draws, got {short_text(twice)}"
    positions = [row["position"] for row in record["slate"]]
    if positions != list(range(1, len(positions) + 1)):
        yield f"slate: expected positions 1, 2, ... in order, got {short_text(positions)}"
    page = [row["entity_id"] for row in record["slate"]]
    if len(set(page)) < len(page):
        yield "slate: expected each entity once, got one twice"
    if record["served_by"] == "policy":
        if not record["decisions"]:
            yield "decisions: expected one where served_by is policy, got none"
        drawn = {result["entity_id"] for block in record["draws"] for result in block["results"]}
        if not drawn.issuperset(page):
            yield f"slate: expected entities of the draws, got {short_text(sorted(set(page) - drawn))}"
    for decision in record["decisions"]:
        yield from _decision_contradictions(decision, record)
    if "shadow" in record:
        if record["served_by"] != "static" or record["decisions"]:
            yield "shadow: expected only where served_by is static and decisions is empty, got it elsewhere"
        yield from _decision_contradictions(record["shadow"], record)


def block_contradictions(blocks: list[Any], kind: str) -> Iterator[str]:
    """Reasons against the blocks of `looks` or `draws`; `kind` is which of the two."""
    keys = [(block["strategy"], block["depth"]) for block in blocks]
    if len(set(keys)) < len(keys):
        yield f"{kind}: expected each block once, got {short_text(sorted(keys))}"
    for block in blocks:
        ranks = [result["rank"] for result in block["results"]]
        where = f"{kind} {block['strategy']}:{block['depth']}"
        if ranks and ranks != list(range(int(ranks[0]), int(ranks[0]) + len(ranks))):
            yield f"{where}: expected ranks without gaps, got {short_text(ranks)}"
        if ranks and block["status"] != "ok":
            yield f"{where}: expected no results with status {block['status']}, got {len(ranks)}"


def _decision_contradictions(decision: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[str]:
    shortlist = {entry["action"]: entry for entry in decision["shortlist"]}
    if len(shortlist) < len(decision["shortlist"]) or len(shortlist) > decision["n_actions"]:
        yield "shortlist: expected each action once and no more than n_actions, got others"
    total = sum(entry["propensity"] for entry in decision["shortlist"])
    total += (decision["n_actions"] - len(shortlist)) * decision["floor"]
    if abs(total - 1.0) > TOLERANCE:
        yield f"propensities: expected a sum of 1, got {total:.9g}"
    taken = shortlist.get(decision["action_taken"])
    expected = taken["propensity"] if taken else decision["floor"]
    if abs(decision["propensity"] - expected) > TOLERANCE:
        yield f"propensity: expected {expected:.9g} as in the distribution, got {decision['propensity']:.9g}"
    lengths = {len(entry["features"]) for entry in decision["shortlist"]} | {len(decision["taken_features"])}
    if len(lengths) > 1:
        yield f"features: expected one length for every action, got {sorted(lengths)}"
    if taken and taken["features"] != decision["taken_features"]:
        yield "taken_features: expected those of the shortlist, got others"
    shapes = {tuple(len(row) for row in decision["history"][name]) for name in HISTORY}
    if len(shapes) > 1:
        yield f"history: expected two matrices of one shape, got {sorted(shapes)}"
    if record["served_by"] == "policy":
        yield from draw_contradictions(record["draws"], decision["action_taken"])


def draw_contradictions(draws: Sequence[Mapping[str, Any]], plan: str) -> Iterator[str]:
    """Reasons against the draws of a plan; each draw has a strategy and a depth."""
    deepest: dict[str, int] = {}
    for block in draws:
        deepest[block["strategy"]] = max(deepest.get(block["strategy"], 0), int(block["depth"]))
    drawn = sorted(f"{strategy}:{depth}" for strategy, depth in deepest.items())
    if drawn != sorted(plan.split(",")) or sum(deepest.values()) != len(draws):
        yield f"draws: expected the blocks of {plan}, got {','.join(drawn)}"
