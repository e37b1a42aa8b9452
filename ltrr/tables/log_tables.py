"""Tables that `ingest_logs` writes: events, impressions, decisions and quality of the logs."""

from __future__ import annotations

from dataclasses import replace

from ltrr.tables.shared_columns import (
    BLOCKS,
    DEPTH,
    ENTITY_ID,
    IMPRESSION_ID,
    LOG_DATE,
    PAGES,
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

_NOT_LOGGED = "the log does not have it, because no policy of ltrr served the search"

EVENTS = Table(
    "events",
    ("settled_date", "event_id"),
    (
        Column("event_id", "string", "Identifier of the event, set by the service that logged it"),
        IMPRESSION_ID,
        ENTITY_ID,
        Column("kind", "string", "Kind of the event, such as click or purchase"),
        Column("at", "timestamp", "Time of the event, UTC"),
        Column("value", "double", "Amount of the event, in the unit of its kind", null="the kind has no amount"),
        Column("position", "int", "Position of the entity as logged, from 0 or 1 on", null="the log has no position"),
        Column("status", "string", "Status of the event: joined | waiting | rejected"),
        Column("reason", "string", "Reason of the rejection", null="not rejected"),
        Column("arrival_date", "date", "Date of the folder in which the row arrived"),
        Column(
            "settled_date",
            "date",
            "Logical date of the night that set `status`. The next night reads a waiting event again",
        ),
        Column(
            "log_date",
            "date",
            "`log_date` of the impression that the event was joined to",
            null="not joined to an impression",
        ),
        Column("source", "string", "File of the line, relative to the logs folder"),
        Column("offset", "bigint", "Number of the line in the file, 1-based"),
        Column("line_hash", "string", "SHA-256 of the raw line"),
    ),
    ("status", "settled_date"),
    "ingest_logs",
    "User events, each once, with their status.",
    "settled_date",
)

IMPRESSIONS = Table(
    "impressions",
    ("log_date", "impression_id"),
    (
        IMPRESSION_ID,
        Column("at", "timestamp", "Time at which the page was served, UTC"),
        LOG_DATE,
        Column("arrival_date", "date", "Date of the folder in which the row arrived"),
        Column("query_text", "string", "Query text as the user typed it"),
        QUERY_KEY,
        QUERY_CLASS,
        USER_KEY,
        USER_FOLD,
        Column("session_key", "string", "Keyed hash of the session id", null="the log has no session"),
        SURFACE,
        Column("utc_offset_minutes", "int", "Offset of the user's clock from UTC", "minutes", null=_NOT_LOGGED),
        Column(
            "context", "map<string,string>", "Other facts known before the choice, name -> value, such as the device"
        ),
        replace(POLICY_VERSION, null=_NOT_LOGGED),
        Column(
            "version_propensity",
            "double",
            "Probability that this version serves the user; 1 if no version was drawn or the record does not "
            "contain it",
            null=_NOT_LOGGED,
        ),
        Column("memory_version", "string", "Version of the bundle whose memory was used", null=_NOT_LOGGED),
        Column("history_version", "string", "Version of the bundle whose strategy history was used", null=_NOT_LOGGED),
        Column("served_by", "string", "Origin of the page: policy | static | fallback | service (a decision service)"),
        Column(
            "pages",
            PAGES,
            "Pages of the response, of which the log does not say what was shown; empty if it names none",
            null="the log has the slate itself, as decision records do",
        ),
    ),
    ("log_date",),
    "ingest_logs",
    "Served searches, one row per search.",
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
        Column("served_by", "string", "Origin of the page: policy | static | fallback | service (a decision service)"),
        Column("decide", "string", "Unit of the choice: plan | draw"),
        Column("observe", "string", "Blocks that the policy saw before the choice: blind | first_look | all_blocks"),
        Column("action_taken", "string", "Chosen plan in its canonical text form"),
        Column("logging_propensity", "double", "Probability of the chosen plan under the logging policy"),
        Column(
            "action_propensities",
            "array<struct<action:string,p:double>>",
            "Probability of every plan of the shortlist; all other plans have the probability `floor`",
        ),
        Column("floor", "double", "Probability of each plan outside the shortlist"),
        Column("n_actions", "int", "Number of plans that could be chosen", "plans"),
        Column(
            "shared_features", "array<double>", "Features of query and situation as used, in the order of the manifest"
        ),
        Column(
            "action_features",
            "array<struct<action:string,features:array<double>>>",
            "Features, as used, of the plans of the shortlist and of the chosen plan",
        ),
        Column(
            "hit_rate",
            "array<array<double>>",
            "Hit rates of the strategy history as used, strategy x depth",
            "found reward per block",
        ),
        Column(
            "marginal_hit_rate",
            "array<array<double>>",
            "Hit rates from the strategy history that the service planned with, strategy x depth",
            "found reward per block, of entities that no other block returned",
        ),
        Column(
            "look",
            BLOCKS,
            "Blocks seen before the choice, so that evaluation needs no join. Each entity has the overlap of its "
            "text with the query (empty: unknown) and the memory's clicks and examinations of query and entity",
        ),
        Column("deeper", BLOCKS, "Further fetched blocks, such as those of the chosen plan, in the same form"),
        Column(
            "is_shadow",
            "boolean",
            "Whether the policy only said what it would choose, while a static page was served",
            null="an earlier version of ltrr wrote the row; false",
        ),
        Column(
            "drawn",
            "map<string,int>",
            "Strategy -> depth of its deepest block on the page; strategies without a block are left out",
            null="an earlier version of ltrr wrote the row",
        ),
        Column(
            "logged_reward",
            "double",
            "Reward that the decision service logged with its choice",
            "reward",
            null="the reward comes from events",
        ),
        Column(
            "pdrop",
            "double",
            "Probability with which the decision service dropped a decision like this one from its log. A date with "
            "any above 0 is neither learned from nor judged",
            null="no decision service made the choice",
        ),
    ),
    ("log_date",),
    "ingest_logs",
    "Choices of plans, each with all data that replay and evaluation need.",
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
        Column("is_looked_at", "boolean", "Whether the block was fetched before the choice"),
        Column("is_drawn", "boolean", "Whether the page was made of the block"),
        Column("status", "string", "Result of the call to the strategy: ok | empty | timeout | error"),
        Column("results", "int", "Number of entities in the block", "entities"),
        Column(
            "new_entities",
            "int",
            "Number of entities of the block that no other drawn block of the impression contains",
            "entities",
        ),
        Column(
            "milliseconds",
            "double",
            "Duration of the call to the strategy",
            "milliseconds",
            null="the log does not have it",
        ),
    ),
    ("log_date",),
    "ingest_logs",
    "Fetched blocks of candidates, one row per block: before the choice, for the page, or off the request path.",
    "log_date",
)

CANDIDATES = Table(
    "candidates",
    ("log_date", "impression_id", "strategy", "rank"),
    (
        IMPRESSION_ID,
        STRATEGY,
        Column("rank", "int", "Rank of the entity in the strategy's own list, 1-based"),
        DEPTH,
        LOG_DATE,
        ENTITY_ID,
        Column("score", "double", "Score that the strategy returned for the entity", null="the strategy returned none"),
        Column("is_looked_at", "boolean", "Whether the entity's block was fetched before the choice"),
        Column("is_drawn", "boolean", "Whether the page was made of the entity's block"),
        Column("position", "int", "Position on the page, 1-based", null="the entity was not shown"),
    ),
    ("log_date",),
    "ingest_logs",
    "Entities of all fetched blocks, one row per rank of a strategy.",
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
        Column("clicks", "int", "1 if the user clicked the entity at least once within the reward window, else 0"),
        Column("page_reward", "double", "Reward of the events on the entity, capped per entity", "reward"),
        Column("features", "array<double>", "Ranker features as used, in the order of the manifest"),
    ),
    ("log_date",),
    "ingest_logs",
    "Shown entities with their clicks, rewards and ranker features.",
    "log_date",
)

LIMITED_USERS = Table(
    "limited_users",
    ("log_date", "user_key"),
    (
        LOG_DATE,
        USER_KEY,
        Column("impressions", "bigint", "Number of the user's impressions on the date", "impressions"),
        Column(
            "clicks", "bigint", "Number of shown entities that the user clicked or that earned a reward", "entities"
        ),
        Column("page_reward", "double", "Sum of the rewards of shown entities, capped per entity", "reward"),
        Column(
            "share_of_impressions",
            "double",
            "Share of the user's impressions in those of all identified users on the date",
        ),
        Column(
            "share_of_reward", "double", "Share of the user's page_reward in that of all identified users on the date"
        ),
        Column(
            "counted_share",
            "double",
            "Share of the user's impressions that count in learning and evaluation, a sample by hash; 0 if the user "
            "is excluded",
        ),
        Column(
            "reason",
            "string",
            "Reason of the limit: capped | impressions | clicks | one_position | everything | setting. All except "
            "capped exclude the user",
        ),
    ),
    ("log_date",),
    "ingest_logs",
    "Users whose impressions of a date count in part or not at all. Users without a row count fully.",
    "log_date",
)

REJECTED_ROWS = Table(
    "rejected_rows",
    ("settled_date", "source", "offset"),
    (
        Column("source", "string", "File of the line, relative to the logs folder"),
        Column("offset", "bigint", "Number of the line in the file, 1-based"),
        Column("settled_date", "date", "Logical date of the night that rejected the line"),
        Column("reason", "string", "Reason of the rejection, one of those that docs/reference/log-contract.md lists"),
        Column("detail", "string", "Field at fault with its expected and found value"),
        Column(
            "format",
            "string",
            "Format of the line: decision | event | search | choice | observation | foreign | unreadable",
        ),
        Column("line_hash", "string", "SHA-256 of the raw line"),
        Column("excerpt", "string", "Beginning of the line with all values masked"),
    ),
    ("settled_date",),
    "ingest_logs",
    "Rejected lines with their reasons. Each line that was read is kept, waiting or rejected.",
    "settled_date",
)

DATA_QUALITY = Table(
    "data_quality",
    ("log_date", "check"),
    (
        Column("log_date", "date", "Logical date of the night"),
        Column("check", "string", "Name of the check"),
        Column("figure", "double", "Measured value", null="undefined, such as a share of zero rows"),
        Column("limit", "double", "Limit of the measured value", null="the value is reported only"),
        Column("verdict", "string", "Outcome of the check: ok | failed | accepted | reported"),
        Column(
            "detail", "string", "Explanation of the figure; if an operator accepted a failure, the operator's reason"
        ),
    ),
    ("log_date",),
    "ingest_logs",
    "Quality checks of each night's logs.",
    "log_date",
)

LOG_TABLES = (EVENTS, IMPRESSIONS, DECISIONS, DRAWS, CANDIDATES, SLATE_ROWS, LIMITED_USERS, REJECTED_ROWS, DATA_QUALITY)
