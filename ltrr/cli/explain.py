"""`ltrr policies explain`: reasons for a policy's choice for one query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from ltrr.artifacts.bundle import is_published, versions
from ltrr.artifacts.decision_record import block_of
from ltrr.artifacts.looks import facts_of
from ltrr.artifacts.record_checks import check_form, check_looks
from ltrr.cli.logged_looks import newest_look
from ltrr.cli.options import Config, Home, Json, Set, settings_of
from ltrr.cli.output import show, show_json, show_rows
from ltrr.config import Settings
from ltrr.core.facts import overlaps_of
from ltrr.core.planning import Block
from ltrr.core.situation import UNKNOWN_SITUATION, Situation
from ltrr.errors import UsageError
from ltrr.pipelines.entity_catalogue import find_titles
from ltrr.serving.explain import Explanation, explain
from ltrr.serving.policy import Policy
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session
from ltrr.tables.catalog import table


@dataclass(frozen=True)
class _Look:
    source: str
    blocks: Sequence[Block] | None = None
    overlaps: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    situation: Situation = UNKNOWN_SITUATION
    titles: Mapping[str, str] = field(default_factory=dict)


def explain_policy(
    query: Annotated[str, typer.Option("--query", help="As a user would type it.")],
    version: Annotated[str | None, typer.Argument(help="Which; the one that serves by default.")] = None,
    looks: Annotated[
        Path | None,
        typer.Option(
            "--looks",
            help="JSON file: a decision record, or its `looks`. By default those of the query's newest logged search.",
        ),
    ] = None,
    home: Home = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Explain a policy's choice for a query: plans, blocks, candidates and effects of features."""
    settings = settings_of(home, config, changes)
    policy = _load(settings, version)
    look = _read_looks(looks, policy, query) if looks else _logged_look(settings, policy, query)
    explanation = explain(policy, query, look.blocks, look.overlaps, look.situation)
    if as_json:
        titles = {"titles": look.titles} if look.titles else {}
        show_json({"look": look.source, **explanation.to_json(), **titles})
    else:
        _show(explanation, look)


def _load(settings: Settings, version: str | None) -> Policy:
    root, name = settings.paths.policies, settings.policy.name
    if version is not None and not is_published(root, name, version):
        raise UsageError(
            "no such version of the policy",
            which=version,
            expected="one of " + (", ".join(versions(root, name)[-5:]) or "none: no version is published yet"),
            todo="list the versions with `ltrr policies list`",
        )
    return Policy.load(f"{root}/{name}", version)


def _read_looks(file: Path, policy: Policy, query: str) -> _Look:
    """The look of a decision record or of its looks; those of another query are refused."""
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise UsageError(
            "cannot read the looks", which=f"--looks {file}", expected="a JSON file", got=str(fault)
        ) from fault
    is_record = isinstance(content, dict)
    entries = content.get("looks") if is_record else content
    reasons = (check_form(content) if is_record else []) or check_looks(entries)
    if not reasons and is_record and policy.key(content["query_text"]) != policy.key(query):
        reasons.append(f"query_text: expected {query!r}, got {content['query_text']!r}")
    if reasons:
        raise UsageError(
            "the file has no looks of this query",
            which=f"--looks {file}",
            expected="a decision record, or the list under its `looks` (docs/reference/log-contract.md)",
            got="; ".join(reasons[:3]),
        )
    situation = Situation.of_record(content) if is_record else UNKNOWN_SITUATION
    return _Look(f"file {file}", [block_of(entry) for entry in entries], overlaps_of(facts_of(entries)), situation)


def _logged_look(settings: Settings, policy: Policy, query: str) -> _Look:
    """The look of the query's newest search in the tables; only this needs Spark."""
    warehouse = Warehouse(build_session("ltrr policies explain", settings.spark), settings.paths.tables)
    decisions, impressions = warehouse.read(table("decisions")), warehouse.read(table("impressions"))
    key = policy.key(query)
    found = newest_look(decisions, impressions, key, policy.chooser.observe)
    if found is None:
        return _Look(f"none: no search of {key!r} is logged")
    source = f"impression {found.impression_id}, {found.at}, served by {found.version}"
    listed = [entity_id for block in found.blocks for entity_id in block.entity_ids]
    titles = find_titles(warehouse, settings.catalogue, listed) if settings.catalogue else {}
    return _Look(source, found.blocks, found.overlaps, found.situation, titles)


def _show(explanation: Explanation, look: _Look) -> None:
    facts = {
        "policy": explanation.version,
        "query": f"{explanation.query_text!r}, key {explanation.query_key!r}, class {explanation.query_class}",
        "look": f"{explanation.observe}: {look.source}",
        **{f"note {number}": note for number, note in enumerate(explanation.notes, start=1)},
    }
    show_rows([{"what": what, "value": value} for what, value in facts.items()], "Explained", as_json=False)
    tables = (
        ("Plans of the shortlist, best score first", explanation.plans),
        ("Blocks; gain: best plan that draws it, less best plan that does not", explanation.blocks),
        ("Visible candidates; value: predicted, and the memory's evidence", explanation.candidates),
        ("Bandit: score with the feature less without it, for the best plan and the second", explanation.effects),
        ("Values: what moved the prediction of the best candidates, log-odds", explanation.contributions),
    )
    for title, rows in tables:
        if rows:
            show_rows([_to_cells(asdict(row), look.titles) for row in rows], title, as_json=False)
    show(f"{explanation.other_plans} other plans, each with propensity {explanation.floor:.5g}")


def _to_cells(row: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """Cells of a row, with the title of its entity if the catalogue has any.

    >>> _to_cells({"entity_id": "e1", "rank": 1}, {"e1": "Halo"})
    {'entity id': 'e1', 'rank': 1, 'title': 'Halo'}
    """
    cells = {name.replace("_", " "): value for name, value in row.items()}
    return {**cells, "title": titles.get(row["entity_id"])} if titles and "entity_id" in row else cells
