"""Tables of evidence: examination, query-to-entity memory and strategy history."""

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
            "Probability that a user examines the position, divided by that of position 1",
            exact=False,
        ),
        Column(
            "standard_error",
            "double",
            "Standard error of `examination`",
            null="not estimated: the position is 1, or the value is a prior",
            exact=False,
        ),
        Column(
            "method",
            "string",
            "Source of the estimate: the method of the click model | borrowed (from all surfaces) | prior",
        ),
        Column(
            "is_identified",
            "boolean",
            "Whether query-entity pairs that were shown at several positions link the position to position 1",
        ),
        Column("impressions", "bigint", "Number of slate rows of the surface at the position", "slate rows"),
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
    Column(
        "clicks",
        "bigint",
        "Sum of clicks on the entity for the query; at most one click per user and date",
        FIXED_POINT,
    ),
    Column("clicks_squared", "bigint", "Sum over users and dates of the squared terms of `clicks`", FIXED_POINT),
    Column(
        "examinations",
        "bigint",
        "Sum of examination probabilities of the entity for the query; the largest one per user and date",
        FIXED_POINT,
    ),
    Column(
        "examinations_squared",
        "bigint",
        "Sum over users and dates of the squared terms of `examinations`",
        FIXED_POINT,
    ),
)

Q2E_DAILY = Table(
    "q2e_daily",
    ("log_date", "query_key", "entity_id"),
    (LOG_DATE, QUERY_KEY, ENTITY_ID, *_EVIDENCE),
    ("log_date",),
    "build_memory",
    "Clicks and examinations of each query and entity by date. The memory is computed from them.",
    "log_date",
)

Q2E_ROLLUP = Table(
    "q2e_rollup",
    ("period_start", "query_key", "entity_id"),
    (
        Column("period_start", "date", "Monday of the week that the row sums up"),
        QUERY_KEY,
        ENTITY_ID,
        *_EVIDENCE,
    ),
    ("period_start",),
    "build_memory",
    "Evidence of closed weeks: sums over the days of a week, each decayed to the Sunday of the week. The table can "
    "be rebuilt from `q2e_daily`.",
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
        Column(
            "low",
            "double",
            "Lower bound of the interval of `score`; `memory.interval_sigmas` sets its width",
            exact=False,
        ),
        Column("high", "double", "Upper bound of the interval of `score`", exact=False),
        Column(
            "predicted_share",
            "double",
            "Weight of the predicted score in `score`: k / (weighted_examinations + k), with the fitted weight k",
            exact=False,
        ),
        Column("weighted_clicks", "double", "Sum of clicks, decayed to `as_of_date`", "clicks", exact=False),
        Column(
            "weighted_examinations",
            "double",
            "Sum of examination probabilities, decayed to `as_of_date`",
            "examinations",
            exact=False,
        ),
    ),
    ("as_of_date",),
    "build_memory",
    "Query-to-entity memory that each night published, for the newest `memory.keep_nights` nights.",
    "as_of_date",
)

_HISTORY_KEYS = (
    Column("level", "string", "Level of aggregation: all | class | query"),
    Column("key", "string", "Key within the level: `all`, a query class, or a query_key"),
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
            "Number of impressions in which the block could be drawn; not counted, and 0, in rows of level `query`",
            "impressions",
        ),
        Column("draws", "bigint", "Number of impressions in which the block was drawn", "draws"),
        Column("results", "bigint", "Number of entities in the drawn blocks", "entities"),
        Column(
            "weights",
            "bigint",
            "Sum over draws of the weight, which is 1 / P(block drawn) but at most `history.max_weight`",
            FIXED_POINT,
        ),
        Column("weights_squared", "bigint", "Sum over draws of the squared weight", FIXED_POINT),
        Column(
            "hits",
            "bigint",
            "Sum over draws of weight times found reward. The found reward is the sum of clicks / examination over "
            "the entities of the block",
            FIXED_POINT,
            exact=False,
        ),
        Column(
            "hits_squared", "bigint", "Sum over draws of (weight times found reward) squared", FIXED_POINT, exact=False
        ),
        Column(
            "weights_hits", "bigint", "Sum over draws of squared weight times found reward", FIXED_POINT, exact=False
        ),
        Column(
            "marginal_hits",
            "bigint",
            "Sum over draws of weight times the found reward of entities that no other drawn block contains",
            FIXED_POINT,
            exact=False,
        ),
        Column(
            "reciprocal_ranks",
            "bigint",
            "Sum over draws of weight / rank of the block's first clicked entity, 0 without a click",
            FIXED_POINT,
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
            "Share of impressions in which the block was drawn, decayed",
            null="the level is query",
            exact=False,
        ),
        Column(
            "hit_rate",
            "double",
            "Mean found reward per draw of the block, decayed and shrunk to the next coarser level",
            "found reward per draw",
            exact=False,
        ),
        Column(
            "marginal_hit_rate",
            "double",
            "Mean found reward per draw, only of entities in no other drawn block; decayed and shrunk",
            "found reward per draw",
            exact=False,
        ),
        Column(
            "reciprocal_rank",
            "double",
            "Mean reciprocal rank of the first clicked entity of a draw, decayed and shrunk",
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
        Column(
            "support",
            "double",
            "Effective number of draws behind the rates: (sum of weights)^2 / sum of squared weights",
            "draws",
            exact=False,
        ),
    ),
    ("as_of_date",),
    "compute_strategy_features",
    "Past performance of each block of each strategy as of a date. A query has rows of its own from "
    "`history.least_query_draws` draws on.",
    "as_of_date",
)

EVIDENCE_TABLES = (EXAMINATION, QUERIES, Q2E_DAILY, Q2E_ROLLUP, Q2E_MEMORY, STRATEGY_DAILY, STRATEGY_HISTORY)
