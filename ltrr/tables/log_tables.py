"""Tables that `ingest_logs` writes: what happened, row by row."""

from __future__ import annotations

from ltrr.tables.shared_columns import (
    BLOCKS,
    DEPTH,
    ENTITY_ID,
    IMPRESSION_ID,
    LOG_DATE,
    POLICY_VERSION,
    POSITION,
    QUERY_CLASS,
    QUERY_KEY,
    STEP,
    STRATEGY,
    SURFACE,
    USER_FOLD,
    USER_KEY,
)
from ltrr.tables.table import Column, Table

EVENTS = Table(
    "events",
    ("settled_date", "event_id"),
    (
        Column("event_id", "string", "given by the logging service"),
        IMPRESSION_ID,
        ENTITY_ID,
        Column("kind", "string", "click, purchase, ..."),
        Column("at", "timestamp", "when it happened, UTC"),
        Column("value", "double", "amount, in the unit of the kind", null="the kind carries no amount"),
        Column("status", "string", "joined | waiting | rejected"),
        Column("reason", "string", "why it was rejected", null="not rejected"),
        Column("arrival_date", "date", "folder it arrived in"),
        Column("settled_date", "date", "night that gave it this status; a waiting event is carried to the next night"),
        Column("log_date", "date", "date of its impression", null="not joined to an impression"),
        Column("source", "string", "file, relative to the logs"),
        Column("offset", "bigint", "line in the file, 1-based"),
        Column("line_hash", "string", "sha256 of the raw line"),
    ),
    ("status", "settled_date"),
    "ingest_logs",
    "What users did, each event once, with what became of it.",
    "settled_date",
)

IMPRESSIONS = Table(
    "impressions",
    ("log_date", "impression_id"),
    (
        IMPRESSION_ID,
        Column("at", "timestamp", "when it was served, UTC"),
        LOG_DATE,
        Column("arrival_date", "date", "folder it arrived in"),
        Column("query_text", "string", "as typed"),
        QUERY_KEY,
        QUERY_CLASS,
        USER_KEY,
        USER_FOLD,
        Column("session_key", "string", "keyed hash of the session id"),
        SURFACE,
        Column("utc_offset_minutes", "int", "of the user's clock", "minutes"),
        Column("context", "map<string,string>", "other facts known before choosing, as text"),
        POLICY_VERSION,
        Column(
            "version_propensity",
            "double",
            "P(this version serves the user); 1 where nothing was drawn between versions, or the record does not say",
        ),
        Column("memory_version", "string", "bundle that the served memory came with"),
        Column("history_version", "string", "bundle that the served strategy history came with"),
        Column("served_by", "string", "policy | static | fallback"),
    ),
    ("log_date",),
    "ingest_logs",
    "One row a search served.",
    "log_date",
)

DECISIONS = Table(
    "decisions",
    ("log_date", "impression_id", "step"),
    (
        IMPRESSION_ID,
        STEP,
        LOG_DATE,
        QUERY_KEY,
        QUERY_CLASS,
        USER_KEY,
        USER_FOLD,
        POLICY_VERSION,
        Column("served_by", "string", "policy | static | fallback"),
        Column("decide", "string", "plan | draw"),
        Column("observe", "string", "what the policy saw before choosing"),
        Column("action_taken", "string", "the plan, canonical text"),
        Column("logging_propensity", "double", "P(action taken) under the policy that logged it"),
        Column(
            "action_propensities",
            "array<struct<action:string,p:double>>",
            "every plan of the shortlist; the rest: floor",
        ),
        Column("floor", "double", "propensity of each plan outside the shortlist"),
        Column("n_actions", "int", "plans that could be taken", "plans"),
        Column("shared_features", "array<double>", "as used, in the order of the manifest"),
        Column(
            "action_features",
            "array<struct<action:string,features:array<double>>>",
            "as used, for the shortlist and the plan taken",
        ),
        Column(
            "hit_rate", "array<array<double>>", "strategy history as used: strategy x depth", "found reward a block"
        ),
        Column(
            "marginal_hit_rate",
            "array<array<double>>",
            "as used: strategy x depth",
            "found reward that only it brought",
        ),
        Column(
            "look",
            BLOCKS,
            "the blocks seen before choosing, so that a judge needs no join; beside each entity the overlap of its "
            "text with the query (empty: not known), and the memory's clicks and examinations of the pair",
        ),
        Column("deeper", BLOCKS, "the other blocks of the plan taken, alike"),
    ),
    ("log_date",),
    "ingest_logs",
    "One choice with all that is needed to replay and to judge it.",
    "log_date",
)

DRAWS = Table(
    "draws",
    ("log_date", "impression_id", "strategy", "depth"),
    (
        IMPRESSION_ID,
        STRATEGY,
        DEPTH,
        LOG_DATE,
        Column("is_looked_at", "boolean", "fetched before choosing"),
        Column("is_drawn", "boolean", "part of the plan taken"),
        Column("status", "string", "ok | empty | timeout | error"),
        Column("results", "int", "entities in the block", "entities"),
        Column("new_entities", "int", "entities that no other drawn block of the impression holds", "entities"),
    ),
    ("log_date",),
    "ingest_logs",
    "Blocks of candidates that were fetched.",
    "log_date",
)

CANDIDATES = Table(
    "candidates",
    ("log_date", "impression_id", "strategy", "rank"),
    (
        IMPRESSION_ID,
        STRATEGY,
        Column("rank", "int", "in the strategy's own list, 1-based"),
        DEPTH,
        LOG_DATE,
        ENTITY_ID,
        Column("score", "double", "the strategy's own", null="the strategy gave none"),
        Column("is_looked_at", "boolean", "its block was fetched before choosing"),
        Column("is_drawn", "boolean", "its block is part of the plan taken"),
        Column("position", "int", "place on the page, 1-based", null="not shown"),
    ),
    ("log_date",),
    "ingest_logs",
    "Entities in every block that was fetched.",
    "log_date",
)

SLATE_ROWS = Table(
    "slate_rows",
    ("log_date", "impression_id", "position"),
    (
        IMPRESSION_ID,
        POSITION,
        LOG_DATE,
        ENTITY_ID,
        QUERY_KEY,
        USER_KEY,
        USER_FOLD,
        SURFACE,
        Column("clicks", "int", "1 if the user clicked the entity in the window, however often"),
        Column("page_reward", "double", "events on the entity, capped per entity", "reward"),
        Column("features", "array<double>", "ranker features as used, in the order of the manifest"),
    ),
    ("log_date",),
    "ingest_logs",
    "What was shown, and what came of it.",
    "log_date",
)

LIMITED_USERS = Table(
    "limited_users",
    ("log_date", "user_key"),
    (
        LOG_DATE,
        USER_KEY,
        Column("impressions", "bigint", "of the user on the date", "impressions"),
        Column("clicks", "bigint", "shown entities that the user clicked, or that earned a reward", "entities"),
        Column("page_reward", "double", "sum over shown entities, capped per entity", "reward"),
        Column("share_of_impressions", "double", "of all identified users' impressions of the date"),
        Column("share_of_reward", "double", "of all identified users' page_reward of the date"),
        Column(
            "counted_share",
            "double",
            "share of the user's impressions that is learned from and judged on, chosen by hash; 0: excluded",
        ),
        Column("reason", "string", "capped | impressions | clicks | one_position | setting; all but the first exclude"),
    ),
    ("log_date",),
    "ingest_logs",
    "Users of a date whose impressions count in part or not at all; users without a row count whole.",
    "log_date",
)

REJECTED_ROWS = Table(
    "rejected_rows",
    ("settled_date", "source", "offset"),
    (
        Column("source", "string", "file, relative to the logs"),
        Column("offset", "bigint", "line in the file, 1-based"),
        Column("settled_date", "date", "night that rejected it"),
        Column("reason", "string", "one word of the closed list in logs"),
        Column("detail", "string", "which, expected, got"),
        Column("format", "string", "decision | event | foreign | unreadable"),
        Column("line_hash", "string", "sha256 of the raw line"),
        Column("excerpt", "string", "the start of the line with every value masked"),
    ),
    ("settled_date",),
    "ingest_logs",
    "Lines that were not taken, each with its reason: rows in = kept + waiting + rejected, always.",
    "settled_date",
)

DATA_QUALITY = Table(
    "data_quality",
    ("log_date", "check"),
    (
        Column("log_date", "date", "logical date of the night"),
        Column("check", "string", "what was looked at"),
        Column("figure", "double", "what was found", null="undefined, for example a share of nothing"),
        Column("limit", "double", "the bound it must hold", null="reported only"),
        Column("verdict", "string", "ok | failed | accepted | reported"),
        Column("detail", "string", "in words; the operator's reason where it was accepted"),
    ),
    ("log_date",),
    "ingest_logs",
    "Checks of a night's logs.",
    "log_date",
)

LOG_TABLES = (EVENTS, IMPRESSIONS, DECISIONS, DRAWS, CANDIDATES, SLATE_ROWS, LIMITED_USERS, REJECTED_ROWS, DATA_QUALITY)
