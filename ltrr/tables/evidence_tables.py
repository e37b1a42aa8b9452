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
        Column(
            "examination",
            "double",
            "Probability that a user examines the position, relative to position 1",
            exact=False,
        ),
        Column(
            "standard_error",
            "double",
            "Standard error of examination",
            null="not estimated (prior, or position 1)",
            exact=False,
        ),
        Column("method", "string", "Source of the estimate: method of the click model | borrowed | prior"),
        Column(
            "is_identified",
            "boolean",
            "Whether pairs that were shown at several positions link the position to position 1",
        ),
        Column("impressions", "bigint", "Number of slate rows that the estimate uses", "slate rows"),
    ),
    ("as_of_date",),
    "fit_click_model",
    "Examination probabilities by position. The surface `*` stands for all surfaces together.",
    "as_of_date",
)

QUERIES = Table(
    "queries",
    ("log_date", "query_key"),
    (
        LOG_DATE,
        QUERY_KEY,
        QUERY_CLASS,
        Column("impressions", "bigint", "Number of searches of the query", "impressions"),
        Column("users_sketch", "binary", "Theta sketch of user_key, mergeable over dates", exact=False),
        Column("users", "double", "Number of distinct users, estimated from the sketch", "users", exact=False),
    ),
    ("log_date",),
    "build_memory",
    "Searched queries by date, with numbers of searches and users.",
    "log_date",
)

_EVIDENCE = (
    Column("clicks", "bigint", "Sum of clicks, each user, pair and day counted once", FIXED_POINT),
    Column("clicks_squared", "bigint", "Sum of squared clicks", FIXED_POINT),
    Column(
        "examinations", "bigint", "Sum of examination probabilities, each user, pair and day counted once", FIXED_POINT
    ),
    Column("examinations_squared", "bigint", "Sum of squared examination probabilities", FIXED_POINT),
)

Q2E_DAILY = Table(
    "q2e_daily",
    ("log_date", "query_key", "entity_id"),
    (LOG_DATE, QUERY_KEY, ENTITY_ID, *_EVIDENCE),
    ("log_date",),
    "build_memory",
    "Daily clicks and examinations of query and entity, from which the memory is computed.",
    "log_date",
)

Q2E_ROLLUP = Table(
    "q2e_rollup",
    ("period_start", "query_key", "entity_id"),
    (
        Column("period_start", "date", "Monday of the folded week"),
        QUERY_KEY,
        ENTITY_ID,
        *_EVIDENCE,
    ),
    ("period_start",),
    "build_memory",
    "Evidence of closed weeks, each day decayed to the end of its week. It can be rebuilt from q2e_daily.",
    "period_start",
)

Q2E_MEMORY = Table(
    "q2e_memory",
    ("as_of_date", "query_key", "entity_id"),
    (
        AS_OF_DATE,
        QUERY_KEY,
        ENTITY_ID,
        Column(
            "score", "double", "Probability of a click given examination, shrunk to the predicted score", exact=False
        ),
        Column("low", "double", "Lower bound of the Gamma-Poisson interval", exact=False),
        Column("high", "double", "Upper bound of the interval", exact=False),
        Column("predicted_share", "double", "Weight of the prediction in the score, k / (E + k)", exact=False),
        Column("weighted_clicks", "double", "Decayed sum of clicks, C", "clicks", exact=False),
        Column("weighted_examinations", "double", "Decayed sum of examinations, E", "examinations", exact=False),
    ),
    ("as_of_date",),
    "build_memory",
    "Query-to-entity memory as published by a night, for the newest `memory.keep_nights` nights.",
    "as_of_date",
)

_HISTORY_KEYS = (
    Column("level", "string", "Level of aggregation: all | class | query"),
    Column("key", "string", "Member of the level: `all`, the query class, or the query_key"),
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
            "impressions",
            "bigint",
            "Number of impressions in which the block could be drawn; 0 at level query",
            "impressions",
        ),
        Column("draws", "bigint", "Number of impressions in which the block was drawn", "draws"),
        Column("results", "bigint", "Number of entities in the drawn blocks", "entities"),
        Column("weights", "bigint", "Sum of the weights 1 / P(block drawn), clipped", FIXED_POINT),
        Column("weights_squared", "bigint", "Sum of the squared weights", FIXED_POINT),
        Column("hits", "bigint", "Weighted found reward of the block's entities", FIXED_POINT, exact=False),
        Column(
            "hits_squared", "bigint", "Sum over draws of the squared weighted found reward", FIXED_POINT, exact=False
        ),
        Column(
            "weights_hits", "bigint", "Sum over draws of weight times weighted found reward", FIXED_POINT, exact=False
        ),
        Column(
            "marginal_hits",
            "bigint",
            "Weighted found reward of entities that only this block brought",
            FIXED_POINT,
            exact=False,
        ),
        Column(
            "reciprocal_ranks", "bigint", "Weighted reciprocal rank of the block's first clicked entity", FIXED_POINT
        ),
    ),
    ("log_date",),
    "compute_strategy_features",
    "Daily draws and rewards of each block of each strategy.",
    "log_date",
)

STRATEGY_HISTORY = Table(
    "strategy_history",
    ("as_of_date", "level", "key", "strategy", "depth"),
    (
        AS_OF_DATE,
        *_HISTORY_KEYS,
        Column(
            "draw_rate",
            "double",
            "Decayed share of impressions in which the block was drawn",
            null="the level is query",
            exact=False,
        ),
        Column("hit_rate", "double", "Decayed and shrunk hit rate", "found reward per draw", exact=False),
        Column(
            "marginal_hit_rate",
            "double",
            "Decayed and shrunk hit rate of entities that only this block brought",
            "found reward per draw",
            exact=False,
        ),
        Column(
            "reciprocal_rank",
            "double",
            "Decayed and shrunk reciprocal rank of a draw's first clicked entity",
            exact=False,
        ),
        Column(
            "mean_results",
            "double",
            "Mean number of entities per draw",
            "entities",
            null="the block was never drawn",
            exact=False,
        ),
        Column("support", "double", "Effective number of draws that the rates are computed from", "draws", exact=False),
    ),
    ("as_of_date",),
    "compute_strategy_features",
    "Performance of each block of each strategy as of a date. A query has rows once enough of its draws are known.",
    "as_of_date",
)

EVIDENCE_TABLES = (EXAMINATION, QUERIES, Q2E_DAILY, Q2E_ROLLUP, Q2E_MEMORY, STRATEGY_DAILY, STRATEGY_HISTORY)
