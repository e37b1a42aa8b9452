"""Slates of searches whose log has no slate: from events that show an entity, or from the response.

A log such as UBI's says what was shown in two ways. An impression event names one entity and its
position. A query document names the entities of the response, of which the user may have seen only
the first. Where a search has impression events, they are its slate; else the response is.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltrr.logs.slates import OF_SEARCH, SEARCH, Slates
from ltrr.spark.reused import reused

MOST_PAGES = 100
"""Maximum number of pages of a search, the earliest ones."""
_ORDER = ("at", "line_hash", "source", "offset")


def to_shown_slates(searches: DataFrame, shown_events: DataFrame | None) -> Slates:
    """(search), (shown event) -> slates of the searches.

    Each entity and each position occurs once: the earliest event wins, then the smaller position
    or id. Positions may have gaps, because a log may say only what came into view. A search one of
    whose events has position 0 counts from 0, so its positions are raised by 1. Features are
    empty: the log has none.

    The result depends on the sets of rows alone, so it is the same whatever arrived first. Its
    parts are kept, because it is used several times. At 1,000x the data there is one shuffle of
    searches, and there are four of events that show an entity. All events of one search are in one
    task: a million of them are about 0.1 GB, which Spark sorts on disk.

    Args:
        searches: Rows of `impressions` whose `pages` is not null.
        shown_events: Joined events of the same dates with log_date, impression_id, entity_id,
            position and at. None if no event shows an entity: the responses are the slates.

    >>> searches = spark.sql('''SELECT DATE'2026-03-02' log_date, id impression_id, 'q' query_key,
    ...     'u' user_key, 7 user_fold, 'search' surface,
    ...     array(struct(TIMESTAMP'2026-03-02 12:00:00' AS at, 1 AS first_position,
    ...         array('a', 'b') AS entity_ids)) pages FROM VALUES ('i1'), ('i2') AS t(id)''')
    >>> events = spark.sql('''SELECT DATE'2026-03-02' log_date, 'i2' impression_id, * FROM VALUES
    ...     ('b', 0, TIMESTAMP'2026-03-02 12:00:01'), ('c', 2, TIMESTAMP'2026-03-02 12:00:02'),
    ...     ('d', 2, TIMESTAMP'2026-03-02 12:00:03') AS t(entity_id, position, at)''')
    >>> slates = to_shown_slates(searches, events)
    >>> rows = slates.rows.orderBy("position").collect()
    >>> [(row.impression_id, row.position, row.entity_id) for row in rows]
    [('i2', 1, 'b'), ('i2', 3, 'c')]
    >>> [tuple(slot) for row in slates.lists[0].collect() for slot in row.slate]
    [(1, 'a'), (2, 'b')]
    """
    if shown_events is None:
        by_event = searches.select(*OF_SEARCH, F.lit(1).alias("position"), F.lit("").alias("entity_id")).where("false")
        rest = searches
    else:
        events = _counted_from_one(shown_events.select(*SEARCH, "entity_id", "position", "at"))
        events = events.join(searches.select(*SEARCH), on=list(SEARCH), how="left_semi")
        rest = searches.join(events.select(*SEARCH).distinct(), on=list(SEARCH), how="left_anti")
        placed = _once_each(events).join(searches.select(*OF_SEARCH), on=list(SEARCH), how="inner")
        by_event = reused(placed.select(*OF_SEARCH, "position", "entity_id"))
    # The response of a search is in one row, so its entities need no shuffle.
    responses = reused(rest.select(*OF_SEARCH, _response_slate().alias("slate")))
    return Slates(by_event.withColumn("features", F.array().cast("array<double>")), [responses])


def to_pages(searches: DataFrame, known: DataFrame) -> DataFrame:
    """Lines of searches -> (source, offset) of those that add a page to an earlier line.

    UBI writes a document for each request of a search, all with one `query_id`: for facets, for
    suggestions, for the second page. A document of the same query text whose page no earlier line
    has belongs to the search of the earliest line; `with_pages` joins it. Any other adds nothing.
    A search has at most `MOST_PAGES` pages, the earliest ones: a tracker may give one id to all.

    One id may have a million lines, so no shuffle is by id alone before the pages are few: the
    lines are combined by page, and each task sends at most the first pages of an id and text.

    Args:
        searches: Lines with source, offset, impression_id, at, line_hash, query_text and pages.
        known: impression_id, query_text and pages of searches that an earlier night took and whose
            dates are open; each id once. All lines of `searches` come after them.

    >>> def line(at, entity_ids, query_text="q", impression_id="i1"):
    ...     page = [(f"2026-03-02 12:00:{at:02}", 1, entity_ids)]
    ...     return impression_id, at, "h", query_text, page, "a", at
    >>> page = "array<struct<at:string,first_position:int,entity_ids:array<string>>>"
    >>> schema = f"impression_id string, at int, line_hash string, query_text string, pages {page}"
    >>> lines = [line(1, ["a"]), line(2, ["b"]), line(3, ["a"]), line(4, ["c"], "other")]
    >>> lines = [*lines, line(5, ["b"], impression_id="i2"), line(6, ["d"], impression_id="i2")]
    >>> searches = spark.createDataFrame(lines, f"{schema}, source string, offset int")
    >>> of_id = f"impression_id string, query_text string, pages {page}"
    >>> known = spark.createDataFrame([("i2", "q", line(0, ["d"])[4])], of_id)
    >>> rows = to_pages(searches, known).orderBy("offset").collect()
    >>> [(row.impression_id, row.offset, row.page.entity_ids) for row in rows]
    [('i1', 2, ['b']), ('i2', 5, ['b'])]
    """
    lines = searches.withColumn("page", F.try_element_at("pages", F.lit(1))).withColumn("place", F.struct(*_ORDER))
    # One row per id: the line whose search it is, unless an earlier night took the search.
    of_search = lines.groupBy("impression_id").agg(F.min(F.struct("place", "query_text")).alias("first"))
    taken = known.select("impression_id", F.col("query_text").alias("taken_text"), F.col("pages").alias("taken"))
    of_search = of_search.join(taken, on="impression_id", how="left").select(
        "impression_id",
        F.coalesce("taken_text", "first.query_text").alias("query_text"),
        F.when(F.col("taken").isNull(), F.col("first.place")).alias("first_place"),
        "taken",
    )
    by_page = (
        lines.where(F.col("page").isNotNull())
        .groupBy("impression_id", "query_text", "page.first_position", "page.entity_ids")
        .agg(F.min(F.struct("place", "page")).alias("earliest"))
    )
    # Spark recognizes the comparison of a rank with a constant, and limits each task before the
    # shuffle. Half of these pages may be taken.
    few = _ranked(by_page, "impression_id", "query_text").where(F.col("rank") <= 2 * MOST_PAGES)
    of_text = few.drop("rank").join(of_search, on=["impression_id", "query_text"], how="inner")
    is_taken = F.exists("taken", lambda page: _content(page) == _content(F.col("earliest.page")))
    new = _ranked(of_text.where(~F.coalesce(is_taken, F.lit(False))), "impression_id")
    is_within = F.col("rank") + F.coalesce(F.size("taken"), F.lit(0)) <= MOST_PAGES
    is_added = ~F.coalesce(F.col("earliest.place") == F.col("first_place"), F.lit(False))
    return new.where(is_within & is_added).select(
        "impression_id", "earliest.page", "earliest.place.source", "earliest.place.offset"
    )


def _ranked(pages: DataFrame, *by: str) -> DataFrame:
    in_order = Window.partitionBy(*by).orderBy("earliest.place")
    return pages.withColumn("rank", F.row_number().over(in_order))


def with_pages(impressions: DataFrame, pages: DataFrame) -> DataFrame:
    """Add the pages of `to_pages` to the impressions of their searches; same rows and columns."""
    added = pages.groupBy("impression_id").agg(F.collect_set("page").alias("added"))
    joined = impressions.join(added, on="impression_id", how="left")
    everything = F.array_sort(F.array_distinct(F.concat("pages", "added")))
    return joined.withColumn("pages", F.coalesce(everything, F.col("pages"))).select(*impressions.columns)


def _content(page: Column) -> Column:
    return F.struct(page["first_position"], page["entity_ids"])


def _counted_from_one(events: DataFrame) -> DataFrame:
    first = F.min("position").over(Window.partitionBy(*SEARCH))
    return events.withColumn("position", F.col("position") + F.when(first == 0, 1).otherwise(0))


def _joined_pages() -> Column:
    """Entities of all pages with their positions.

    A page that says where it begins stays there. Another page continues the earlier ones if it
    has none of their entities; else it answers the same request again.
    """
    return F.expr(
        """aggregate(
            array_sort(pages),
            CAST(array() AS array<struct<position:int,entity_id:string>>),
            (shown, page) -> IF(
                page.first_position <= 1 AND arrays_overlap(transform(shown, row -> row.entity_id), page.entity_ids),
                shown,
                concat(shown, transform(page.entity_ids, (entity_id, place) -> named_struct(
                    'position',
                    CAST(place + IF(
                        page.first_position > 1,
                        page.first_position,
                        coalesce(array_max(transform(shown, row -> row.position)), 0) + 1) AS int),
                    'entity_id', entity_id)))))"""
    )


def _response_slate() -> Column:
    """Entities of the response with their positions, each entity and each position once.

    Most searches have one page without repetitions, which needs no function of single rows: Spark
    compiles this case.
    """
    entity_ids = F.expr("pages[0].entity_ids")
    size = F.size(entity_ids)
    start = F.greatest(F.expr("pages[0].first_position"), F.lit(1))
    placed = F.arrays_zip(F.sequence(start, start + size - 1).alias("position"), entity_ids.alias("entity_id"))
    nothing = F.array().cast(_PLACED)
    return (
        F.when(F.size("pages") == 0, nothing)
        .when(F.size("pages") > 1, F.transform(F.array(_joined_pages()), _each_once)[0])
        .when(size == 0, nothing)
        .when(size == F.size(F.array_distinct(entity_ids)), placed.cast(_PLACED))
        .otherwise(F.transform(F.array(_joined_pages()), _each_once)[0])
    )


_PLACED = "array<struct<position:int,entity_id:string>>"


def _each_once(joined: Column) -> Column:
    """Of each entity the smallest position, then of each position the smallest entity."""
    by_entity = F.transform(
        F.array_distinct(F.transform(joined, lambda row: row["entity_id"])),
        lambda entity_id: F.array_min(F.filter(joined, lambda row: row["entity_id"] == entity_id)),
    )
    return F.transform(F.array(by_entity), _first_of_each_position)[0]


def _first_of_each_position(rows: Column) -> Column:
    return F.transform(
        F.array_distinct(F.transform(rows, lambda row: row["position"])),
        lambda position: F.array_min(F.filter(rows, lambda row: row["position"] == position)),
    )


def _once_each(shown: DataFrame) -> DataFrame:
    """Each entity of a search once, and each position once."""
    by_entity = shown.groupBy(*SEARCH, "entity_id").agg(F.min(F.struct("at", "position")).alias("first"))
    by_position = by_entity.groupBy(*SEARCH, F.col("first.position").alias("position")).agg(
        F.min(F.struct("first.at", "entity_id")).alias("first")
    )
    return by_position.select(*SEARCH, "position", F.col("first.entity_id").alias("entity_id"))
