"""Inspection of log files before anything is written: what ltrr takes, rejects and can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltrr.core.hashing import ANONYMOUS
from ltrr.logs.block_contents import read_contents
from ltrr.logs.file_lines import read_lines
from ltrr.logs.formats import formats_named
from ltrr.logs.line_rows import AnyStrategy, LineReader
from ltrr.logs.mapping_proposal import propose_mapping
from ltrr.logs.parsing import parse_lines
from ltrr.logs.reasons import REASONS
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings

_OF_NO_FORMAT = ("unknown_record", "foreign_format", "missing_key")
# Lines of which a mapping is proposed.
_SAMPLE = 500


OF_CHOICES = "in a home whose policy sees no blocks before it chooses (policy.observe: blind)"
"""Home that takes the choices of a decision service."""


@dataclass(frozen=True)
class Inspection:
    """Contents of log files.

    Attributes:
        lines: Number of lines.
        structure: Number of lines of the layout, which have no record.
        decisions: Number of decision records that a policy served with propensities.
        choices: Number of choices of plans by a decision service, with propensities and reward.
        static: Number of decision records without a choice of a plan.
        searches: Number of searches of other formats; each document counts.
        responses: Number of these that name the entities of the response.
        events: Kind of event -> number.
        rejected: Reason -> (number of lines, detail of one of them).
        clocks: Form of the times of foreign lines -> number of lines.
        dates: Date (UTC) -> number of lines.
        with_user: Share of the searches that have a user; NaN without searches.
        proposal: Mapping to start from (YAML), if most lines are of no format that ltrr reads.
    """

    lines: int
    structure: int = 0
    decisions: int = 0
    static: int = 0
    searches: int = 0
    choices: int = 0
    responses: int = 0
    events: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, tuple[int, str]] = field(default_factory=dict)
    clocks: dict[str, int] = field(default_factory=dict)
    dates: dict[date, int] = field(default_factory=dict)
    with_user: float = float("nan")
    proposal: str = ""

    @property
    def taken(self) -> int:
        """Number of lines with a record."""
        return self.decisions + self.static + self.searches + self.choices + sum(self.events.values())

    def list_uses(self, shown_kinds: Sequence[str]) -> list[tuple[str, str]]:
        """(part of ltrr, whether the log can feed it and why), in the order of the nights."""
        all_searches = self.decisions + self.static + self.searches + self.choices
        shown = self.decisions + self.static + self.responses + sum(self.events.get(kind, 0) for kind in shown_kinds)
        clicks = self.events.get("click", 0)
        if not all_searches:
            return [("nothing", "no: the log has no searches, so no event can be joined to one")]
        slates = "yes" if shown else "no: no line says what a search showed (impression events, response ids, slates)"
        both = slates if not shown or clicks else "no: the log has no clicks"
        ranked = both
        if both == "yes" and not self.decisions:
            ranked = "yes, from memory and catalogue: compared with the order that the log shows, not released"
        judged = (
            "yes"
            if self.decisions
            else f"yes, {OF_CHOICES}"
            if self.choices
            else "no: no line has the propensity of a choice; log decisions as docs/reference/log-contract.md says"
        )
        return [
            ("memory", both),
            ("examination", f"{both}, where a query has an entity at several positions" if both == "yes" else both),
            ("ranker", ranked),
            ("plans and their judging", judged),
        ]


def inspect_files(
    spark: SparkSession, files: Sequence[Path], settings: LogSettings, format_name: str = "auto"
) -> Inspection:
    """Read all lines once and count them; nothing is written.

    At 1,000x the data it is one pass of narrow aggregates: the driver collects one row per block,
    reason, kind and date.

    Args:
        spark: Spark session.
        files: Log files on this machine.
        settings: Kinds of event and foreign actions.
        format_name: Name of a group of formats (`ltrr.logs.formats.GROUPS`).
    """
    reader = LineReader(
        night=date.max,
        first_open=date.min,
        strategies=AnyStrategy(),
        settings=settings,
        # Inspection shows no key of a user, so no secret is needed.
        pseudonyms=Pseudonyms("inspection"),
        is_history=True,
        formats=formats_named(format_name),
    )
    lines = read_lines(spark, "", [str(file.absolute()).lstrip("/") for file in files])
    parsed = parse_lines(lines, reader, "").persist()
    try:
        found = _count(parsed, settings, str(files[0].parent))
    finally:
        parsed.unpersist()
    unknown = sum(found.rejected.get(reason, (0, ""))[0] for reason in _OF_NO_FORMAT)
    if 2 * unknown <= found.lines - found.structure:
        return found
    sample = [bytes(row["line"]) for row in lines.select("line").limit(_SAMPLE).collect()]
    return replace(found, proposal=propose_mapping(sample))


def _count(parsed: DataFrame, settings: LogSettings, named: str) -> Inspection:
    contents = read_contents(parsed, settings.shown_kinds, named)
    clocks: dict[str, int] = {}
    for block in contents:
        for form, n in block.clocks.items():
            clocks[form] = clocks.get(form, 0) + n
    impression = F.col("impression")
    of_searches = parsed.where(impression.isNotNull())
    is_search, is_choice = F.col("format") == "search", F.col("format") == "choice"
    totals = of_searches.agg(
        F.count_if(~is_search & ~is_choice & (F.size("decisions") > 0)).alias("decisions"),
        F.count_if(is_choice).alias("choices"),
        F.count_if(~is_search & (F.size("decisions") == 0)).alias("static"),
        F.count_if(is_search).alias("searches"),
        F.count_if(is_search & (F.size("impression.pages") > 0)).alias("responses"),
        F.avg((~F.col("impression.user_key").startswith(ANONYMOUS)).cast("double")).alias("with_user"),
    ).collect()[0]
    rejected = parsed.where("reason IS NOT NULL").groupBy("reason").agg(F.count(F.lit(1)).alias("n"), F.min("detail"))
    events = parsed.where("event IS NOT NULL").groupBy("event.kind").count().collect()
    day = F.coalesce(F.to_date("impression.at"), F.to_date("event.at"))
    dates = parsed.where(day.isNotNull()).groupBy(day.alias("day")).count().collect()
    counted = {row[0]: (row[1], row[2]) for row in rejected.collect()}
    return Inspection(
        lines=sum(block.lines for block in contents),
        structure=sum(block.structure for block in contents),
        decisions=totals["decisions"],
        static=totals["static"],
        searches=totals["searches"],
        choices=totals["choices"],
        responses=totals["responses"],
        events={row[0]: row[1] for row in sorted(events)},
        rejected={reason: counted[reason] for reason in REASONS if reason in counted},
        clocks=clocks,
        dates={row[0]: row[1] for row in sorted(dates)},
        with_user=float("nan") if totals["with_user"] is None else totals["with_user"],
    )
