"""Tables of learning, judging and releasing, and the commit point of every job."""

from __future__ import annotations

from ltrr.tables.shared_columns import (
    AS_OF_DATE,
    BLOCKS,
    ENTITY_ID,
    IMPRESSION_ID,
    LOG_DATE,
    POLICY_VERSION,
    POSITION,
    QUERY_CLASS,
    QUERY_KEY,
    STEP,
    USER_FOLD,
    USER_KEY,
)
from ltrr.tables.table import Column, Table

BANDIT_ROWS = Table(
    "bandit_rows",
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
        Column("action_taken", "string", "the plan, canonical text"),
        Column("logging_propensity", "double", "P(action taken) under the policy that logged it"),
        Column("found_reward", "double", "sum over shown entities of clicks / examination", "reward", exact=False),
        Column("page_reward", "double", "sum over shown entities, capped per entity", "reward"),
        Column("baseline", "double", "value of the best plan as the planner saw it", "reward"),
        Column("shared_features", "array<double>", "as logged"),
        Column(
            "actions",
            "array<struct<action:string,features:array<double>>>",
            "the shortlist and the plan taken, as logged",
        ),
        Column("look", BLOCKS, "the blocks seen before choosing, as logged"),
        Column("deeper", BLOCKS, "the other blocks of the plan taken, as logged"),
        Column(
            "shown",
            "array<struct<entity_id:string,clicks:int,examination:double>>",
            "the page in order, with what came of it",
            exact=False,
        ),
    ),
    ("log_date",),
    "train_bandit",
    "Training rows of closed dates, values as known at decision time.",
    "log_date",
)

RANKING_ROWS = Table(
    "ranking_rows",
    ("log_date", "impression_id", "entity_id"),
    (
        IMPRESSION_ID,
        ENTITY_ID,
        LOG_DATE,
        POSITION,
        QUERY_KEY,
        USER_KEY,
        USER_FOLD,
        Column("features", "array<double>", "ranker features as logged"),
        Column("clicks", "int", "1 if the user clicked the entity in the window"),
        Column("examination", "double", "of its position, clipped below", exact=False),
        Column("gain", "double", "clicks / examination, capped: the weight of the click", "reward", exact=False),
    ),
    ("log_date",),
    "train_ranker",
    "Rows that rankers learn from and are judged on: impressions with a click, of closed dates, as known when decided.",
    "log_date",
)

OPE_ESTIMATES = Table(
    "ope_estimates",
    ("as_of_date", "judged_on", "policy", "estimator", "slice"),
    (
        AS_OF_DATE,
        Column("judged_on", "string", "held_out: users never trained on | life: all, after its training | canary"),
        Column(
            "policy",
            "string",
            "champion | challenger | candidate | canary | uniform | static | x-champion",
        ),
        Column("policy_version", "string", "bundle or payload judged, or the plan's text"),
        Column("estimator", "string", "ips | snips | dr; of a canary by_user"),
        Column("slice", "string", "`all`, or a query class"),
        Column("reward", "string", "page_reward"),
        Column("value", "double", "estimate", "reward an impression", null="undefined", exact=False),
        Column("standard_error", "double", "by user", "reward an impression", null="undefined", exact=False),
        Column("low", "double", "lower end of the 95 % interval", null="undefined", exact=False),
        Column("high", "double", "upper end", null="undefined", exact=False),
        Column("evidence", "double", "R = (sum w r)^2 / sum over users of (sum w r)^2", null="undefined", exact=False),
        Column("effective_sample_size", "double", "(sum w)^2 / sum w^2", "impressions", null="undefined", exact=False),
        Column("impressions", "bigint", "judged on", "impressions"),
        Column("users", "bigint", "clusters", "users"),
        Column("verdict", "string", "trust | take care | do not use"),
        Column("reasons", "array<string>", "why, in words"),
    ),
    ("as_of_date",),
    "evaluate_policies",
    "What each policy would have earned on logged data.",
    "as_of_date",
)

CHALLENGERS = Table(
    "challengers",
    ("as_of_date", "policy", "trial"),
    (
        AS_OF_DATE,
        Column("trial", "string", "date on which it began, and the first 12 of a sha256 of what is frozen"),
        Column("begun", "date", "night on which the trial began; judged from the next night on"),
        Column("data_end", "date", "last log_date that it was trained on; judged on later ones"),
        Column("policy", "string", "name of the policy"),
        Column("files", "map<string,string>", "what is frozen, file -> sha256: bandit and values, or ranker, or all"),
        Column("values", "string", "how its learned values are asked, JSON", null="by hit rates"),
        Column("exploration", "string", "how it explores, JSON"),
        Column("against", "string", "digest of what it would replace"),
        Column("alpha", "double", "given to it before its first night"),
        Column("night", "int", "of its life; 0 on the night on which it began", "nights"),
        Column("outcome", "string", "keep | promote | futile | harmed | expired | replaced | ended | withdrawn"),
        Column("ended", "date", "night of that outcome", null="it is still judged"),
        Column(
            "looks",
            "array<struct<night:int,difference:double,standard_error:double>>",
            "its looks so far, each as on its night: difference from the champion, reward an impression",
        ),
        Column("critical", "double", "what Z had to reach tonight", null="nothing to reach tonight", exact=False),
        Column("slices", "map<string,string>", "harmed | unharmed | not yet judged | not judged; none: not asked"),
        Column("why", "string", "of its newest night, in words", exact=False),
        Column("mlflow_run_id", "string", "that trained it; empty where there is none", exact=False),
        Column("canary", "string", "when a person began it, ISO 8601, UTC", null="judged on the log, not on users"),
        Column(
            "kind",
            "string",
            "bandit | canary | ranker",
            null="written before ltrr recorded it: a canary where `canary` is given, else a bandit",
        ),
        Column(
            "waited",
            "int",
            "nights on which a canary ran: not counted in `night`",
            "nights",
            null="written before ltrr recorded it: 0",
        ),
    ),
    ("as_of_date",),
    "publish_policy",
    "The gates' book: the current trials, and those that ended within the nights that the budget of alpha remembers.",
    "as_of_date",
)

RELEASES = Table(
    "releases",
    ("policy_version", "action", "run_date", "sequence"),
    (
        Column("policy_version", "string", "bundle the row is about"),
        Column("sequence", "bigint", "pointer that made it current", null="the pointer did not move"),
        Column(
            "action",
            "string",
            "published | refreshed | refused | promoted | rolled_back | canary_begun | canary_ended",
        ),
        Column("run_date", "date", "logical date of the night", null="done by hand"),
        Column("at", "timestamp", "when, UTC", exact=False),
        Column("why", "string", "in words", exact=False),
        Column("by_whom", "string", "the job, or a person"),
        Column("previous_version", "string", "current before", null="there was none"),
        Column("lineage", "map<string,string>", "MLflow run, payload hashes, data window", exact=False),
        Column("canary_version", "string", "tried beside it from this pointer on", null="no canary runs"),
        Column("canary_share", "double", "of the users, that the canary serves", null="no canary runs"),
        Column(
            "policy",
            "string",
            "name of the policy; sequences are its own",
            null="written before ltrr recorded it: the policy whose pointer of this sequence names the version",
        ),
    ),
    (),
    "publish_policy",
    "Append-only: every change of what is served, every refusal. The command line appends what people do.",
)

FORGOTTEN_USERS = Table(
    "forgotten_users",
    ("user_key",),
    (USER_KEY, Column("since", "date", "when the user asked")),
    (),
    "cli",
    "Users whose rows are dropped at ingest, in reruns too.",
)

JOB_RUNS = Table(
    "job_runs",
    ("job", "run_date", "attempt"),
    (
        Column("job", "string", "one of the eight"),
        Column("run_date", "date", "logical date"),
        Column("attempt", "int", "1-based"),
        Column("committed_at", "timestamp", "UTC", exact=False),
        Column("code_version", "string", "of ltrr"),
        Column("config_digest", "string", "sha256 of the settings"),
        Column(
            "inputs",
            "array<struct<table:string,run_date:date,version:bigint,state:string>>",
            "what was read: as which date's run left it, at which version",
            exact=False,
        ),
        Column(
            "outputs",
            "array<struct<table:string,version:bigint,rows:bigint,digest:string,state:string>>",
            "what was written; digest: of the partitions replaced; state: of this and every earlier commit",
            exact=False,
        ),
        Column("notes", "map<string,string>", "what the next jobs need to know: payload hashes, reasons", exact=False),
        Column("seconds", "double", "wall clock", "seconds", exact=False),
    ),
    (),
    "runner",
    "The commit point: a job that has no row here has published nothing.",
)

LEARNING_TABLES = (BANDIT_ROWS, RANKING_ROWS, OPE_ESTIMATES, CHALLENGERS, RELEASES, FORGOTTEN_USERS, JOB_RUNS)
