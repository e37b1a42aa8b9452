"""Slates of the open dates: rows of earlier nights, and lists of the searches of this night.

A line has all entities of its page. As a list they are one row for each search, so a join with the
events of a search moves a tenth of the rows that it would move as rows of `slate_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltrr.logs.rewards import REWARDS, with_rewards

SEARCH = ("log_date", "impression_id")
"""Key of a search."""
OF_SEARCH = (*SEARCH, "query_key", "user_key", "user_fold", "surface")
"""Columns of `slate_rows` that all entities of a search have in common."""
_SLOT = ("position", "entity_id", "features")


@dataclass(frozen=True)
class Slates:
    """Rows of `slate_rows` of the open dates, without the columns that come from events.

    At 1,000x the data, each join below shuffles one row per search of this night, with its list,
    and one per event or per rewarded entity. Rows of earlier nights of the open dates are shuffled
    one by one.

    Attributes:
        rows: (search, position): rows of earlier nights, and those that events show one by one.
        lists: Frames of (search), with the columns `OF_SEARCH` and `slate`, a list of structs with
            position, entity_id, and the features if the log has any. No search is in two of the
            frames.
    """

    rows: DataFrame
    lists: Sequence[DataFrame]

    def of_events(self, events: DataFrame) -> DataFrame:
        """log_date, impression_id and entity_id of slates: at least those of searches with events.

        Args:
            events: Rows with impression_id.
        """
        answered = events.select("impression_id").distinct()
        parts = [
            one.select(*SEARCH, F.col("slate.entity_id").alias("entity_ids"))
            .join(answered, on="impression_id", how="left_semi")
            .select(*SEARCH, F.explode("entity_ids").alias("entity_id"))
            for one in self.lists
        ]
        return _together([self.rows.select(*SEARCH, "entity_id"), *parts])

    def with_rewards(self, rewards: DataFrame) -> DataFrame:
        """(search, position): all rows, with clicks and page_reward; 0 without events.

        Args:
            rewards: Rows of `ltrr.logs.rewards.to_entity_rewards`.

        >>> a_search = "DATE'2026-03-02' log_date, 'i1' impression_id, 'q' query_key, 'u' user_key"
        >>> searches = spark.sql(f'''SELECT {a_search}, 7 user_fold, 'search' surface,
        ...     from_json('[{{"position":1,"entity_id":"a"}},{{"position":2,"entity_id":"b"}}]',
        ...         'array<struct<position:int,entity_id:string>>') slate''')
        >>> row = "2 user_fold, 'search' surface, 3 position, 'b' entity_id, array(.5D) features"
        >>> earlier = spark.sql(f"SELECT {a_search.replace('i1', 'i2')}, {row}")
        >>> rewards = spark.sql('''SELECT DATE'2026-03-02' log_date, * FROM VALUES
        ...     ('i1', 'b', 1, 1D), ('i2', 'b', 0, 2D)
        ...     AS t(impression_id, entity_id, clicks, page_reward)''')
        >>> rows = Slates(earlier, [searches]).with_rewards(rewards)
        >>> columns = ("impression_id", "position", "entity_id", "features", "clicks")
        >>> sorted(tuple(row) for row in rows.select(*columns, "page_reward").collect())
        [('i1', 1, 'a', [], 0, 0.0), ('i1', 2, 'b', [], 1, 1.0), ('i2', 3, 'b', [0.5], 0, 2.0)]
        """
        by_row = with_rewards(self.rows, rewards)
        return _together([by_row, *(_exploded(one, "left") for one in self._answered_lists(rewards, "left"))])

    def answered_rows(self, rewards: DataFrame) -> DataFrame:
        """(search, position): rows of `with_rewards`, at least those with a reward.

        Rows of lists have no features: Spark would shuffle those of all searches.
        """
        by_row = with_rewards(self.rows, rewards)
        narrow = Slates(self.rows, [_without_features(one) for one in self.lists])
        parts = (_exploded(one, "inner") for one in narrow._answered_lists(rewards, "inner"))
        return _together([by_row, *parts])

    def lower_counts(self) -> DataFrame:
        """log_date, user_key and `lower_shown`: numbers of entities below the first position."""
        is_lower: Column = F.col("position") > 1
        by_row = self.rows.where(is_lower).select("log_date", "user_key", F.lit(1).alias("lower_shown"))
        # Each position occurs once. Spark compiles these functions, and not one with a condition.
        first = F.array_contains("slate.position", 1).cast("int")
        lower = (F.size("slate") - first).alias("lower_shown")
        return _together([by_row, *(one.select("log_date", "user_key", lower) for one in self.lists)])

    def _answered_lists(self, rewards: DataFrame, how: str) -> list[DataFrame]:
        """The lists with `answers`, a map of entity to rewards.

        A map has at most as many entities as a slate: events of other entities have no reward.
        Spark sorts both sides, because it takes the maps for smaller than they are in memory.
        """
        answer = F.struct("entity_id", F.struct(*REWARDS))
        answers = rewards.groupBy(*SEARCH).agg(F.map_from_entries(F.collect_list(answer)).alias("answers"))
        return [one.join(answers.hint("merge"), on=list(SEARCH), how=how) for one in self.lists]


def _without_features(searches: DataFrame) -> DataFrame:
    slots = (F.col(f"slate.{name}").alias(name) for name in ("position", "entity_id"))
    return searches.select(*OF_SEARCH, F.arrays_zip(*slots).alias("slate"))


def _exploded(searches: DataFrame, how: str) -> DataFrame:
    slot = searches.schema["slate"].dataType.elementType.names  # type: ignore[attr-defined]  # an array of structs
    features = F.col("slot.features") if "features" in slot else F.array().cast("array<double>")
    rows = searches.select(*OF_SEARCH, "answers", F.explode("slate").alias("slot"))
    rows = rows.select(
        *OF_SEARCH,
        "slot.position",
        "slot.entity_id",
        features.alias("features"),
        F.expr("answers[slot.entity_id]").alias("answer"),
    )
    if how == "inner":
        rows = rows.where(F.col("answer").isNotNull())
    return rows.select(
        *OF_SEARCH,
        *_SLOT,
        *(F.coalesce(F.col(f"answer.{name}"), F.lit(0).cast(kind)).alias(name) for name, kind in REWARDS.items()),
    )


def _together(frames: Sequence[DataFrame]) -> DataFrame:
    return reduce(lambda some, more: some.unionByName(more), frames)
