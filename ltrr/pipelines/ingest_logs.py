"""A night's logs -> rows of the log tables, limited users of each open date, and quality checks."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.artifacts.served import served_strategies
from ltrr.logs.attribution import event_detail, settle_events
from ltrr.logs.block_contents import lines_before, read_contents
from ltrr.logs.duplicates import id_hash, ids_of_several, only_repeats
from ltrr.logs.file_lines import read_lines
from ltrr.logs.folder import check_closed, folder_name, list_folder, root_of
from ltrr.logs.formats import read_patterns
from ltrr.logs.line_rows import LineReader
from ltrr.logs.log_rows import to_impressions, to_nested_rows, to_rejected_rows
from ltrr.logs.parsing import parse_lines, with_offset
from ltrr.logs.quality import IMPRESSIONS, Counts, check_counts, count_rows, left_out_check
from ltrr.logs.quarantine import (
    clear_quarantine,
    only_rejected,
    quarantine_folder,
    without_named,
    write_quarantine,
)
from ltrr.logs.reasons import NO_FAULTS
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.rewards import REWARDS, to_entity_rewards
from ltrr.logs.secret import read_secret
from ltrr.logs.shown import to_pages, to_shown_slates, with_pages
from ltrr.logs.slates import OF_SEARCH, SEARCH, Slates
from ltrr.pipelines.night import Night
from ltrr.spark.quality import check_rows, stop_on_failures
from ltrr.spark.reused import FEW, few, reused
from ltrr.users.limits import to_limited_users, to_user_days
from ltrr.users.naming import user_checks

log = logging.getLogger(__name__)

PLACE = ["source", "offset"]
_OF_A_PAGE = ("impression_id", "at", "query_text", "pages", "user_key")


def run(night: Night) -> None:
    """Ingest the lines that arrived on D and replace the partitions of every open date.

    The job writes rejected lines and checks before the check that may stop the night. A stopped
    night commits nothing. Its operator finds the reasons in `rejected_rows`, `data_quality` and the
    quarantine.

    Raises:
        ConfigError: The environment has no secret.
        NotReadyError: The folder is missing or not closed.
        DataQualityError: A check failed and the operator did not accept it.
    """
    intake = Intake(night)
    counts = intake.count_outcomes()
    settings = night.settings.logs

    night.write("rejected_rows", intake.rejected_rows)
    clear_quarantine(night.spark, night.settings.paths.quarantine, night.date)
    if counts.rejected:
        quarantine = quarantine_folder(night.settings.paths.quarantine, night.date, settings.quarantine_days)
        rejected = sum(n for reason, n in counts.rejected.items() if reason not in NO_FAULTS)
        write_quarantine(intake.faulty_lines(rejected + counts.rejected_earlier), quarantine)
        log.info("quarantine=%s lines=%d", quarantine, rejected)
    checks = [
        *check_counts(counts, intake.usual_impressions(), settings),
        left_out_check(intake.files),
        *user_checks(intake.limited_users),
    ]
    night.write("data_quality", check_rows(night.spark, night.date, checks, night.accept_quality))
    stop_on_failures(night.date, checks, night.accept_quality)

    settled_this_night = f"settled_date = DATE'{night.date}' OR status = 'waiting'"
    open_dates = f"log_date >= DATE'{intake.first_open}' AND log_date <= DATE'{night.date}'"
    nested = {name: to_nested_rows(intake.decisions, name) for name in ("decisions", "candidates", "draws")}
    rows = {
        # The largest tables first.
        "slate_rows": intake.slates.with_rewards(intake.entity_rewards()),
        **{name: intake.earlier_rows(name).unionByName(arrived) for name, arrived in nested.items()},
        "impressions": intake.open_impressions,
        "limited_users": intake.limited_users,
    }
    events = intake.settled_events.drop("is_carried")
    night.write_all(
        {**{name: (frame, open_dates) for name, frame in rows.items()}, "events": (events, settled_this_night)}
    )

    accepted = {check.name: night.accept_quality[check.name] for check in checks if check.outcome == "failed"}
    night.note(
        lines=counts.lines,
        impressions=counts.impressions,
        with_propensities=counts.with_propensities,
        shadow_decisions=counts.shadowed,
        query_key_version=night.settings.policy.query_key_version,
        accepted_quality=accepted or None,
        thinned_choices=counts.thinned_choices or None,
    )


class Intake:
    """Frames of one night, each computed once.

    Frames that are used twice are kept (`ltrr.spark.reused`).

    The task that reads a line parses it. Of the wide rows, Spark shuffles only slates, to join them
    to their rewards; else only the narrow columns that decide on them: ids, places and times.

    At 1,000x the data that is 20 million decisions per night on a few thousand tasks. The driver
    reads one row per block of a file and a few dozen counts.
    """

    def __init__(self, night: Night) -> None:
        self.night = night
        self.settings = night.settings.logs
        self.first_open = night.first_open
        self.reader = LineReader(
            night=night.date,
            first_open=self.first_open,
            strategies=self._known_strategies(),
            settings=self.settings,
            pseudonyms=Pseudonyms(read_secret(os.environ)),
            is_history=night.is_history,
            patterns=read_patterns(self.settings.formats, night.settings.paths.home),
            key_version=night.settings.policy.query_key_version,
            policy=night.settings.policy,
        )
        folder = check_closed(night.spark, night.settings.paths.logs, night.date)
        self.files = list_folder(night.spark, folder)
        self.lines = read_lines(night.spark, folder, list(self.files.read))
        blocks = parse_lines(self.lines, self.reader, root_of(night.spark, folder)).persist()
        self.contents = read_contents(blocks, self.settings.shown_kinds, folder)
        prefix = f"{folder_name(night.date)}/"
        self.files.check_all_read({block.source.removeprefix(prefix) for block in self.contents})
        self.parsed = with_offset(blocks, lines_before(self.contents))

    def _known_strategies(self) -> frozenset[str]:
        """Strategies of the settings and of all bundles that may have served on the open dates."""
        served = served_strategies(
            self.night.policies_root, self.night.date, self.first_open, self.settings.reload_days
        )
        return served.union(self.night.settings.policy.strategies)

    @cached_property
    def refused(self) -> DataFrame:
        """Well-formed lines that other rows cause to be refused: source, offset, reason, detail."""
        lines = self.parsed.where("impression IS NOT NULL").select(
            *PLACE, "line_hash", "format", *(f"impression.{name}" for name in ("impression_id", "at", "user_key"))
        )
        # A record with a decision counts before a document of the same search without one.
        lines = lines.withColumn("after", (F.col("format") == "search").cast("int"))
        remembered, events = lines, self.arrivals
        gone = None
        if self.has_forgotten:
            of_forgotten = lines.join(self.forgotten, on="user_key", how="left_semi")
            # An event has no user. One that arrives on a later date than its search waits and
            # stays unmatched.
            searches = of_forgotten.select("impression_id").distinct()
            of_searches = events.join(searches, on="impression_id", how="left_semi")
            reason, detail = F.lit("forgotten").alias("reason"), F.lit("user: asked to be forgotten").alias("detail")
            gone = of_forgotten.select(*PLACE, reason, detail).unionByName(of_searches.select(*PLACE, reason, detail))
            remembered = lines.join(self.forgotten, on="user_key", how="left_anti")
            events = events.join(searches, on="impression_id", how="left_anti")
        repeated = only_repeats(
            self._may_repeat(remembered, "impression_id"), self.earlier_impressions, "impression_id"
        ).unionByName(only_repeats(self._may_repeat(events, "event_id"), self.earlier_events, "event_id"))
        repeated = repeated.withColumn("reason", F.lit("duplicate"))
        if self.has_searches:
            repeated = repeated.join(self.page_places, on=PLACE, how="left_anti")
            searches = self._may_repeat(lines.where("format = 'search'"), "impression_id").select(
                *PLACE, F.lit("same_search").alias("same_search")
            )
            repeated = repeated.join(searches, on=PLACE, how="left")
            repeated = repeated.withColumn("reason", F.coalesce("same_search", "reason")).drop("same_search")
        return few(repeated if gone is None else gone.unionByName(repeated))

    @cached_property
    def repeated_ids(self) -> DataFrame | None:
        """Hashes of the ids of searches and of events that occur several times; None for many."""
        lines = self.parsed.where("impression IS NOT NULL").select("impression.impression_id")
        of_searches, of_events = id_hash("impression_id"), id_hash("event_id")
        current = [lines.select(of_searches), self.arrivals.select(of_events)]
        earlier = [self.earlier_impressions.select(of_searches), self.earlier_events.select(of_events)]
        found = reused(ids_of_several(current, earlier))
        return F.broadcast(found) if found.count() <= FEW else None

    def _may_repeat(self, lines: DataFrame, id_column: str) -> DataFrame:
        """At least the lines whose id occurs several times; same columns.

        If many ids do, all lines are compared. A join by id would bring a million lines of one id,
        with their pages, into one task.
        """
        if self.repeated_ids is None:
            return lines
        hashed = lines.withColumn("id_hash", id_hash(id_column))
        return hashed.join(self.repeated_ids, on="id_hash", how="left_semi").drop("id_hash")

    @cached_property
    def pages(self) -> DataFrame:
        """Lines of searches that add a page to a search of another line; read if there are any."""
        lines = self.parsed.where("impression.pages IS NOT NULL").select(
            *PLACE, "line_hash", *(f"impression.{name}" for name in _OF_A_PAGE)
        )
        decided = self.parsed.where("format = 'decision' AND impression IS NOT NULL").select("impression.impression_id")
        of_searches = self._may_repeat(lines, "impression_id")
        if self.has_forgotten:
            of_searches = of_searches.join(self.forgotten, on="user_key", how="left_anti")
        may_grow = F.col("pages").isNotNull() & (F.col("log_date") >= F.lit(self.first_open))
        known = self.earlier_impressions.where(may_grow).select("impression_id", "query_text", "pages")
        pages = to_pages(of_searches, known)
        # A decision record has the whole page, and the searches of a closed date do not change.
        # Joined last, because one id has many lines and few pages.
        for final in (self.earlier_impressions.where(~may_grow), decided):
            pages = pages.join(final.select("impression_id"), on="impression_id", how="left_anti")
        return reused(pages)

    @cached_property
    def page_places(self) -> DataFrame:
        """Source and offset of the lines of `pages`, whose lists of entities may be long."""
        return few(self.pages.select(*PLACE))

    @cached_property
    def has_pages(self) -> bool:
        """Whether a line adds a page to the search of another line."""
        return self.has_searches and not self.page_places.isEmpty()

    @cached_property
    def forgotten(self) -> DataFrame:
        """Keys of the users who asked to be forgotten."""
        return self.night.read("forgotten_users").select("user_key")

    @cached_property
    def has_forgotten(self) -> bool:
        """Whether any user asked to be forgotten."""
        return not self.forgotten.isEmpty()

    @cached_property
    def decisions(self) -> DataFrame:
        """Parsed lines of decisions and searches that are accepted."""
        lines = self.parsed.where("impression IS NOT NULL").join(self.refused, on=PLACE, how="left_anti")
        return lines.join(self.page_places, on=PLACE, how="left_anti") if self.has_pages else lines

    @cached_property
    def open_impressions(self) -> DataFrame:
        """Rows of `impressions` of the open dates, those of earlier nights included."""
        rows = self.earlier_rows("impressions").unionByName(to_impressions(self.decisions))
        return with_pages(rows, self.pages) if self.has_pages else rows

    @cached_property
    def has_searches(self) -> bool:
        """Whether a search of the folder has no slate of its own."""
        return any(block.searches for block in self.contents)

    @cached_property
    def arrivals(self) -> DataFrame:
        """Events that arrived on D, repeated ones included."""
        lines = self.parsed.where("event IS NOT NULL")
        return lines.select("event.*", *PLACE, "line_hash")

    @cached_property
    def settled_events(self) -> DataFrame:
        """Events that arrived on D and those that waited, each once, with their status."""
        if not self.has_shown_events:
            return reused(self._settle(self.unsettled, self.slates))
        others = self._settle(self.unsettled.where(~self._shows()), self.slates)
        return reused(self.shown_events.unionByName(others))

    @cached_property
    def unsettled(self) -> DataFrame:
        """Events that arrived on D and those that waited, each once."""
        taken = self.arrivals.join(self.refused, on=PLACE, how="left_anti")
        return taken.unionByName(self.carried.select(*taken.columns))

    @cached_property
    def shown_events(self) -> DataFrame:
        """Events that show an entity, with their status."""
        return reused(self._settle(self.unsettled.where(self._shows()), None))

    def _settle(self, events: DataFrame, slates: Slates | None) -> DataFrame:
        known = ("impression_id", "at", "log_date", F.col("pages").isNotNull().alias("may_grow"))
        current = to_impressions(self.decisions)
        impressions = self.earlier_impressions.select(*known).unionByName(current.select(*known))
        shown = None if slates is None else slates.of_events(events)
        return settle_events(events, impressions, shown, self.night.date, self.settings, self.first_open)

    def _shows(self) -> Column:
        return F.col("kind").isin(list(self.settings.shown_kinds))

    @cached_property
    def has_shown_events(self) -> bool:
        """Whether slates of open dates may come from events."""
        shown = any(block.shown for block in self.contents)
        return shown or not self.carried.where(self._shows()).isEmpty() or not self._earlier_shown().isEmpty()

    @cached_property
    def has_open_searches(self) -> bool:
        """Whether searches of open dates have no slate of their own."""
        return self.has_searches or not self.earlier_rows("impressions").where("pages IS NOT NULL").isEmpty()

    def _earlier_shown(self) -> DataFrame:
        """Events of earlier nights that show an entity of a search."""
        is_open = F.col("log_date") >= F.lit(self.first_open)
        return self.earlier_events.where(self._shows() & (F.col("status") == "joined") & is_open)

    @cached_property
    def slates(self) -> Slates:
        """Slates of the open dates."""
        earlier = self.earlier_rows("slate_rows").drop(*REWARDS)
        logged = self.decisions.where(F.size("slate_rows") > 0)
        of_search = (F.col(f"impression.{name}").alias(name) for name in OF_SEARCH)
        lists = [logged.select(*of_search, F.col("slate_rows").alias("slate"))]
        if not self.has_open_searches:
            return Slates(earlier, lists)
        searches = self.open_impressions.where("pages IS NOT NULL")
        events = None
        if self.has_shown_events:
            columns = ("log_date", "impression_id", "entity_id", "position", "at")
            joined = self.shown_events.where("status = 'joined'")
            events = self._earlier_shown().select(*columns).unionByName(joined.select(*columns))
        shown = to_shown_slates(searches, events)
        others = earlier.join(searches.select(*SEARCH), on=list(SEARCH), how="left_anti")
        return Slates(others.unionByName(shown.rows.select(*others.columns)), [*lists, *shown.lists])

    @cached_property
    def limited_users(self) -> DataFrame:
        """Rows of `limited_users` of the open dates."""
        answered = self.slates.answered_rows(self.entity_rewards())
        user_days = to_user_days(self.open_impressions, answered, self.slates.lower_counts())
        return reused(to_limited_users(reused(user_days), self.night.settings.users))

    @cached_property
    def rejected_rows(self) -> DataFrame:
        """Rows of `rejected_rows`: malformed or refused lines, and events that cannot count."""
        settled_date = F.lit(self.night.date).alias("settled_date")
        explained = ("reason", "detail", "format", "line_hash", "excerpt")
        unread = self.parsed.where("reason IS NOT NULL").select(*PLACE, settled_date, *explained)
        good = self.parsed.where("reason IS NULL").select(*PLACE, "format", "line_hash", "excerpt")
        refused = good.join(self.refused, on=PLACE, how="inner").select(*PLACE, settled_date, *explained)
        idle = self.settled_events.where("status = 'rejected'").select(
            *PLACE,
            "settled_date",
            "reason",
            event_detail(F.col("reason")).alias("detail"),
            F.lit("event").alias("format"),
            "line_hash",
            F.lit(None).cast("string").alias("excerpt"),
        )
        return reused(to_rejected_rows(unread.unionByName(refused).unionByName(idle)))

    def faulty_lines(self, rejected: int) -> DataFrame:
        """Rejected lines as they arrived, for the quarantine; none names a forgotten user."""
        lines = only_rejected(self.lines, self.rejected_rows, rejected)
        if not self.has_forgotten:
            return lines
        # The lines are used twice, and the first use reads all raw files.
        return without_named(reused(lines), self.forgotten, self.reader.pseudonyms)

    @cached_property
    def earlier_impressions(self) -> DataFrame:
        """Impressions of earlier nights that new lines are compared with."""
        since = F.lit(self.settings.oldest_remembered_date(self.night.date))
        return self.night.read_own_previous("impressions").where(F.col("log_date") >= since)

    @cached_property
    def earlier_events(self) -> DataFrame:
        """Events of earlier nights that new lines are compared with, waiting ones included."""
        since = F.lit(self.settings.oldest_remembered_date(self.night.date))
        return self.night.read_own_previous("events").where(F.col("settled_date") >= since)

    @cached_property
    def carried(self) -> DataFrame:
        """Events that the previous night left waiting."""
        return self.earlier_events.where("status = 'waiting'")

    def earlier_rows(self, name: str) -> DataFrame:
        """Rows of the open dates that earlier nights committed."""
        return self.night.read_own_previous(name).where(F.col("log_date") >= F.lit(self.first_open))

    def entity_rewards(self) -> DataFrame:
        """Rewards so far of the entities in the slates of the open dates."""
        columns = ("log_date", "impression_id", "entity_id", "kind")
        is_open = F.col("log_date") >= F.lit(self.first_open)
        before = self.earlier_events.where(F.col("settled_date") >= F.lit(self.first_open))
        is_answer = (F.col("status") == "joined") & ~self._shows()
        joined = before.where(is_answer & is_open).select(*columns)
        current = self.settled_events.where(is_answer).select(*columns)
        return to_entity_rewards(joined.unionByName(current), self.settings)

    def count_outcomes(self) -> Counts:
        """Numbers of lines and events by outcome."""
        counts = count_rows(self.decisions, self.settled_events, self.rejected_rows, folder_name(self.night.date))
        return replace(
            counts,
            lines=sum(block.lines for block in self.contents),
            structure=sum(block.structure for block in self.contents),
            pages=self.page_places.count() if self.has_searches else 0,
            is_history=self.night.is_history,
            clocks=self.contents,
            carried=self.carried.count(),
            has_no_traffic=self.files.has_no_traffic,
        )

    def usual_impressions(self) -> list[float]:
        """Number of impressions of each of the last nights, without dates that had no traffic."""
        since = F.lit(self.night.date - timedelta(days=self.settings.volume_days))
        rows = self.night.read_own_previous("data_quality").where(F.col("log_date") >= since)
        if self.night.settings.first_night is not None:
            # The first night took the searches of many dates.
            rows = rows.where(F.col("log_date") > F.lit(self.night.settings.first_night_date))
        served = rows.where((F.col("check") == IMPRESSIONS) & (F.col("figure") > 0))
        return [row["figure"] for row in served.select("figure").collect()]
