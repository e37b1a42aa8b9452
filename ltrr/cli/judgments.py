"""`ltrr judgments`: import and export judgments, and compare rankings with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ltrr.cli.options import Common, with_common
from ltrr.config import Settings
from ltrr.errors import NotReadyError, UsageError
from ltrr.judgments.exports import EXPORTS, file_form, query_text_line, run_rows, write_files
from ltrr.judgments.formats import FORMATS, read_file
from ltrr.judgments.grades import THRESHOLDS, check_thresholds, grade_pairs
from ltrr.judgments.judgment import by_key
from ltrr.judgments.measures import compare_rankings
from ltrr.judgments.rankings import (
    CHAMPION,
    MEMORY,
    RANKINGS,
    SERVED,
    rank_by_champion,
    rank_memory,
    read_memory_pairs,
    stream_memory,
    stream_served_pages,
)
from ltrr.judgments.stored import check_source, read_judgments, store_judgments
from ltrr.pipelines.entity_catalogue import only_catalogue
from ltrr.serving.policy import Policy
from ltrr.spark.delta import Warehouse
from ltrr.spark.lease import hold_lease
from ltrr.spark.session import build_session
from ltrr.tables.catalog import table

judgments = typer.Typer(
    help="Import judgments of people and tools, export those of the memory, compare rankings with them.",
    no_args_is_help=True,
)


@judgments.command("import")
@with_common
def import_judgments(
    common: Common,
    file: Annotated[Path, typer.Argument(help="File of judgments.")],
    source: Annotated[str, typer.Option("--source", help="Name of the list; an import replaces its earlier rows.")],
    format_: Annotated[str, typer.Option("--format", help=f"auto, {', '.join(FORMATS)}.")] = "auto",
    queries: Annotated[
        Path | None, typer.Option("--queries", help="Lines id<TAB>query text, for formats that name queries by ids.")
    ] = None,
) -> None:
    """Import a list of Quepid, Search Relevance Workbench, TREC or RankLib into `judgments`."""
    settings = common.settings()
    check_source(source)
    reading = read_file(file, format_, queries)
    found = by_key(reading, settings.policy.query_key_version, str(file))
    warehouse = _open(settings)
    with hold_lease(settings.paths.home, "importing judgments", tables=settings.paths.tables):
        replaced = store_judgments(warehouse, source, found, datetime.now(UTC))
    row = {
        "source": source,
        "judgments": len(found),
        "queries": len({key for key, _ in found}),
        "repeated": len(reading.judgments) - len(found),
        "queries without a judgment": reading.unjudged_queries,
        "replaced": replaced,
    }
    common.show([row], "Imported judgments")


@judgments.command("export")
@with_common
def export_judgments(
    common: Common,
    file: Annotated[Path, typer.Argument(help="File to write.")],
    format_: Annotated[
        str, typer.Option("--format", help=f"Graded judgments of the memory as {', '.join(EXPORTS)}; or run.")
    ] = "csv",
    ranking: Annotated[str, typer.Option("--ranking", help=f"Ranking of a run: {MEMORY} or {SERVED}.")] = MEMORY,
    thresholds: Annotated[
        str, typer.Option("--thresholds", help="Lower bounds of the grades 1, 2, ..., separated by commas.")
    ] = ",".join(f"{one:g}" for one in THRESHOLDS),
) -> None:
    """Write the memory as graded judgments, or the memory or the served pages as a TREC run."""
    if format_ not in (*EXPORTS, "run") or ranking not in (MEMORY, SERVED):
        raise UsageError(
            "there is no such export",
            which="--format and --ranking",
            expected=f"{', '.join(EXPORTS)}, or run with the ranking {MEMORY} or {SERVED}",
            got=f"{format_}, {ranking}",
        )
    limits = _parse_thresholds(thresholds)
    settings = common.settings()
    warehouse = _open(settings)
    counts: dict[str, int] = {}
    if format_ == "run":
        parts = _run_parts(warehouse, ranking, counts)
    else:
        parts = _graded_parts(warehouse, settings.catalogue, (format_, file.stem), limits, counts)
    row: dict[str, Any] = {"file": str(file)}
    if format_ in ("qrels", "run"):
        texts = file.with_name(f"{file.name}.queries.tsv")
        write_files([file, texts], parts)
        row["query texts"] = str(texts)
    else:
        write_files([file], ([text] for text, _ in parts))
    common.show([{**row, **counts}], "Exported judgments" if format_ != "run" else f"Exported run: {ranking}")


@judgments.command("show")
@with_common
def show_judgments(
    common: Common,
    source: Annotated[str | None, typer.Option("--source", help="Only this source; by default all.")] = None,
    relevant: Annotated[float, typer.Option("--relevant", help="Lowest grade of a relevant entity.")] = 1.0,
) -> None:
    """Compare memory, served pages and champion with the imported judgments, by nDCG@10 and others.

    Unjudged entities count as not relevant; Judged@10 states their share among the first ten.
    """
    settings = common.settings()
    warehouse = _open(settings)
    judged = read_judgments(warehouse, source)
    keys = {key for queries in judged.values() for key in queries}
    impressions = warehouse.read(table("impressions"))
    rankings: dict[str, Mapping[str, Sequence[str]]] = {
        MEMORY: rank_memory(read_memory_pairs(warehouse.read(table("q2e_memory")), keys)),
        SERVED: dict(stream_served_pages(warehouse.read(table("slate_rows")), impressions, keys)),
    }
    champion = _load_champion(settings)
    if champion is not None:
        rankings[CHAMPION] = rank_by_champion(champion, warehouse.read(table("decisions")), impressions, keys)
    rows = [
        {"source": name, "ranking": ranking, **compare_rankings(ranked, queries, relevant)}
        for name, queries in judged.items()
        for ranking, ranked in rankings.items()
    ]
    common.show(
        rows, "Rankings compared with judgments: " + "; ".join(f"{name}: {RANKINGS[name]}" for name in rankings)
    )


def _load_champion(settings: Settings) -> Policy | None:
    """The policy that serves; None if nothing is published yet."""
    try:
        return Policy.load(f"{settings.paths.policies}/{settings.policy.name}")
    except NotReadyError:
        return None


def _graded_parts(
    warehouse: Warehouse, catalogue: str, named: tuple[str, str], limits: Sequence[float], counts: dict[str, int]
) -> Iterator[tuple[str, str]]:
    """(text of a query in the file, its line in the file of query texts), and the counts."""
    titles = only_catalogue(warehouse.read(table("entities")), catalogue)
    form = file_form(*named, has_titles=titles is not None)
    counts |= {"queries": 0, "judgments": 0, "left out: grade undefined": 0}
    yield form.head, ""
    for key, pairs in stream_memory(warehouse.read(table("q2e_memory")), titles):
        graded, left_out = grade_pairs(pairs, limits)
        counts["left out: grade undefined"] += left_out
        if graded:
            yield (form.between if counts["queries"] else "") + form.of_query(graded), query_text_line(key)
            counts["queries"] += 1
            counts["judgments"] += len(graded)
    yield form.tail, ""


def _run_parts(warehouse: Warehouse, ranking: str, counts: dict[str, int]) -> Iterator[tuple[str, str]]:
    """(rows of a query in the run, its line in the file of query texts), and the counts."""
    counts |= {"queries": 0, "entities": 0}
    for key, entity_ids in _stream_rankings(warehouse, ranking):
        yield run_rows(key, entity_ids, f"ltrr-{ranking}"), query_text_line(key)
        counts["queries"] += 1
        counts["entities"] += len(entity_ids)


def _stream_rankings(warehouse: Warehouse, ranking: str) -> Iterator[tuple[str, list[str]]]:
    if ranking == SERVED:
        yield from stream_served_pages(warehouse.read(table("slate_rows")), warehouse.read(table("impressions")))
        return
    for _, pairs in stream_memory(warehouse.read(table("q2e_memory"))):
        yield from rank_memory(pairs).items()


def _parse_thresholds(text: str) -> tuple[float, ...]:
    try:
        limits = tuple(float(part) for part in text.split(","))
    except ValueError as fault:
        raise UsageError(
            "thresholds cannot be read", which="--thresholds", expected="numbers such as 0.1,0.25,0.5", got=text
        ) from fault
    check_thresholds(limits)
    return limits


def _open(settings: Settings) -> Warehouse:
    return Warehouse(build_session("ltrr judgments", settings.spark), settings.paths.tables)
