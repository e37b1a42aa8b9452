"""A log of another system: pages in one fixed order per query, clicks, and no ranker features."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from ltrr.core.hashing import user_fold
from ltrr.spark.columns import schema_of
from ltrr.tables.catalog import table

FIRST = date(2026, 2, 2)
PAGE = 6
EXAMINATION = 1.0 / np.arange(1, PAGE + 1)


def wanted_of(query: int) -> int:
    """Place of the one entity that users of the query want: mostly not the first."""
    return int(np.random.default_rng([4, query]).integers(PAGE))


def foreign_pages(days: int, impressions: int, queries: int = 150, seed: int = 7) -> list[tuple]:
    """Rows of `slate_rows`: the wanted entity is clicked whenever it is examined."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in (FIRST + timedelta(days=number) for number in range(days)):
        for number in range(impressions):
            query, user = int(rng.integers(queries)), f"user-{rng.integers(400)}"
            for place in range(PAGE):
                clicked = int(place == wanted_of(query) and rng.random() < EXAMINATION[place])
                rows.append(
                    (
                        *(f"i{number:05d}", place + 1, day, f"e{query}-{place}", f"query {query}", user),
                        *(user_fold(user), "shop", clicked, float(clicked), []),
                    )
                )
    return rows


def frame_of(spark, rows):
    return spark.createDataFrame(rows, schema_of(table("slate_rows")))


def curve_of(spark, day: date):
    """The true examination curve, committed on a date, as if it were the prior."""
    rows = [(day, "*", place + 1, float(share), None, "prior", False, 0) for place, share in enumerate(EXAMINATION)]
    return spark.createDataFrame(rows, schema_of(table("examination")))
