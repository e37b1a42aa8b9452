"""Tables of evidence: examination, query-to-entity memory, strategy history."""

from __future__ import annotations

from ltrr.tables.shared_columns import (
    AS_OF_DATE,
    DEPTH,
    ENTITY_ID,
    LOG_DATE,
    POSITION,
    QUERY_CLASS,
    QUERY_KEY,
    STRATEGY,
    SURFACE,
)
from ltrr.tables.table import Column, Table

FIXED_POINT = "2^-20"

EXAMINATION = Table(
    "examination",
    ("as_of_date", "surface", "position"),
    (
        AS_OF_DATE,
        SURFACE,
        POSITION,
        Column("examination", "double", "P(user looked at the position), relative to position 1", exact=False),
        Column("standard_error", "double", "of examination", null="not estimated (prior, or position 1)", exact=False),
        Column("method", "string", "position_based_em | borrowed | prior"),
        Column("is_identified", "boolean", "linked to position 1 by pairs seen at several positions"),
        Column("impressions", "bigint", "slate rows behind the estimate", "slate rows"),
    ),
    ("as_of_date",),
    "fit_click_model",
    "Where users look; the surface `*` is all surfaces together.",
    "as_of_date",
)

QUERIES = Table(
    "queries",
    ("log_date", "query_key"),
    (
        LOG_DATE,
        QUERY_KEY,
        QUERY_CLASS,
        Column("impressions", "bigint", "times it was searched", "impressions"),
        Column("users_sketch", "binary", "theta sketch of user_key; mergeable over dates", exact=False),
        Column("users", "double", "distinct users by the sketch", "users", exact=False),
    ),
    ("log_date",),
    "build_memory",
    "What was searched, how often, by how many.",
    "log_date",
)

_EVIDENCE = (
    Column("clicks", "bigint", "sum of clicks, once per user, pair and day", FIXED_POINT),
    Column("clicks_squared", "bigint", "sum of squared clicks", FIXED_POINT),
    Column("examinations", "bigint", "sum of examination, once per user, pair and day", FIXED_POINT),
    Column("examinations_squared", "bigint", "sum of squared examination", FIXED_POINT),
)

Q2E_DAILY = Table(
    "q2e_daily",
    ("log_date", "query_key", "entity_id"),
    (LOG_DATE, QUERY_KEY, ENTITY_ID, *_EVIDENCE),
    ("log_date",),
    "build_memory",
    "The only evidence of record for the memory.",
    "log_date",
)

Q2E_ROLLUP = Table(
    "q2e_rollup",
    ("period_start", "query_key", "entity_id"),
    (
        Column("period_start", "date", "Monday of the week that was folded"),
        QUERY_KEY,
        ENTITY_ID,
        *_EVIDENCE,
    ),
    ("period_start",),
    "build_memory",
    "Days folded into closed weeks, each day decayed to the end of its week; can always be rebuilt from q2e_daily.",
    "period_start",
)

Q2E_MEMORY = Table(
    "q2e_memory",
    ("as_of_date", "query_key", "entity_id"),
    (
        AS_OF_DATE,
        QUERY_KEY,
        ENTITY_ID,
        Column("score", "double", "P(click | examined), shrunk to the predicted score", exact=False),
        Column("low", "double", "lower end of the Gamma-Poisson interval", exact=False),
        Column("high", "double", "upper end", exact=False),
        Column("predicted_share", "double", "k / (E + k): how much of the score is prediction", exact=False),
        Column("weighted_clicks", "double", "decayed sum C", "clicks", exact=False),
        Column("weighted_examinations", "double", "decayed sum E", "examinations", exact=False),
    ),
    ("as_of_date",),
    "build_memory",
    "The query-to-entity memory as published that night; the newest `memory.keep_nights` nights.",
    "as_of_date",
)

_HISTORY_KEYS = (
    Column("level", "string", "all | class | query"),
    Column("key", "string", "`all`, the query class, or the query_key"),
    STRATEGY,
    DEPTH,
)

STRATEGY_DAILY = Table(
    "strategy_daily",
    ("log_date", "level", "key", "strategy", "depth"),
    (
        LOG_DATE,
        *_HISTORY_KEYS,
        Column(
            "impressions", "bigint", "impressions in which the block could be drawn; 0 at level query", "impressions"
        ),
        Column("draws", "bigint", "impressions in which it was drawn", "draws"),
        Column("results", "bigint", "entities in the drawn blocks", "entities"),
        Column("weights", "bigint", "sum of 1 / P(block drawn), clipped", FIXED_POINT),
        Column("weights_squared", "bigint", "sum of its square", FIXED_POINT),
        Column("hits", "bigint", "weighted found reward of the block's entities", FIXED_POINT, exact=False),
        Column(
            "hits_squared", "bigint", "sum of the square of a draw's weighted found reward", FIXED_POINT, exact=False
        ),
        Column("weights_hits", "bigint", "sum of a draw's weight times that reward", FIXED_POINT, exact=False),
        Column(
            "marginal_hits", "bigint", "the same of entities that only this block brought", FIXED_POINT, exact=False
        ),
        Column("reciprocal_ranks", "bigint", "weighted 1 / rank of the block's first clicked entity", FIXED_POINT),
    ),
    ("log_date",),
    "compute_strategy_features",
    "What each block of each strategy brought on a date.",
    "log_date",
)

STRATEGY_HISTORY = Table(
    "strategy_history",
    ("as_of_date", "level", "key", "strategy", "depth"),
    (
        AS_OF_DATE,
        *_HISTORY_KEYS,
        Column("draw_rate", "double", "decayed share of impressions that drew it", null="level query", exact=False),
        Column("hit_rate", "double", "decayed, shrunk", "found reward a draw", exact=False),
        Column(
            "marginal_hit_rate", "double", "decayed, shrunk", "found reward a draw that only it brought", exact=False
        ),
        Column("reciprocal_rank", "double", "1 / rank of a draw's first clicked entity; decayed, shrunk", exact=False),
        Column("mean_results", "double", "entities a draw", "entities", null="never drawn", exact=False),
        Column("support", "double", "effective number of draws behind the rates", "draws", exact=False),
    ),
    ("as_of_date",),
    "compute_strategy_features",
    "Past performance of each strategy as of a date; of a query, the blocks drawn for it, once they are enough.",
    "as_of_date",
)

EVIDENCE_TABLES = (EXAMINATION, QUERIES, Q2E_DAILY, Q2E_ROLLUP, Q2E_MEMORY, STRATEGY_DAILY, STRATEGY_HISTORY)
