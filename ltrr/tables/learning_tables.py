"""Tables of learning, judging and releasing, and the commit point of every job."""

from __future__ import annotations

from ltrr.estimation.estimators import BY_USER, list_nightly_estimators
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
        Column("action_taken", "string", "Chosen plan in its canonical text form"),
        Column("logging_propensity", "double", "Probability of the chosen action under the logging policy"),
        Column("found_reward", "double", "Sum over shown entities of clicks / examination", "reward", exact=False),
        Column("page_reward", "double", "Sum of the rewards of shown entities, capped per entity", "reward"),
        Column("baseline", "double", "Value of the best plan, as estimated by the planner", "reward"),
        Column("shared_features", "array<double>", "Features of query and situation, as logged"),
        Column(
            "actions",
            "array<struct<action:string,features:array<double>>>",
            "Features of the plans of the shortlist and of the chosen plan, as logged",
        ),
        Column("look", BLOCKS, "Blocks seen before the choice, as logged"),
        Column("deeper", BLOCKS, "Other blocks of the chosen plan, as logged"),
        Column(
            "shown",
            "array<struct<entity_id:string,clicks:int,examination:double>>",
            "Entities of the page in order, with clicks and examination",
            exact=False,
        ),
    ),
    ("log_date",),
    "train_bandit",
    "Training rows of the bandit, of closed dates. Values are those known at decision time.",
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
        Column("features", "array<double>", "Ranker features, as logged"),
        Column("clicks", "int", "1 if the user clicked the entity within the reward window, else 0"),
        Column("examination", "double", "Examination probability of the position, clipped below", exact=False),
        Column("gain", "double", "Weight of the click: clicks / examination, capped", "reward", exact=False),
    ),
    ("log_date",),
    "train_ranker",
    "Training and evaluation rows of rankers: impressions with a click, of closed dates. Values are those "
    "known at decision time.",
    "log_date",
)

OPE_ESTIMATES = Table(
    "ope_estimates",
    ("as_of_date", "judged_on", "policy", "estimator", "slice"),
    (
        AS_OF_DATE,
        Column(
            "judged_on",
            "string",
            "Evaluated users: held_out (held out of training) | life (all, after the training) | canary",
        ),
        Column(
            "policy",
            "string",
            "Evaluated policy: champion | challenger | candidate | canary | uniform | static; x-champion: a difference",
        ),
        Column("policy_version", "string", "Version of the bundle, hash of the payload, or text of the plan"),
        Column(
            "estimator",
            "string",
            f"Estimator: {' | '.join(one.name for one in list_nightly_estimators())}; {BY_USER.name} for a canary",
        ),
        Column("slice", "string", "Slice of the impressions: `all`, or a query class"),
        Column("reward", "string", "Estimated reward: page_reward"),
        Column(
            "value", "double", "Estimated value of the policy", "reward per impression", null="undefined", exact=False
        ),
        Column(
            "standard_error",
            "double",
            "Standard error, clustered by user",
            "reward per impression",
            null="undefined",
            exact=False,
        ),
        Column(
            "low",
            "double",
            "Lower bound of the two-sided interval with the level `evaluation.confidence`",
            null="undefined",
            exact=False,
        ),
        Column("high", "double", "Upper bound of the interval", null="undefined", exact=False),
        Column(
            "evidence",
            "double",
            "Evidence R = (sum w r)^2 / sum over users of (sum w r)^2",
            null="undefined",
            exact=False,
        ),
        Column(
            "effective_sample_size",
            "double",
            "Effective sample size (sum w)^2 / sum w^2",
            "impressions",
            null="undefined",
            exact=False,
        ),
        Column("impressions", "bigint", "Number of evaluated impressions", "impressions"),
        Column("users", "bigint", "Number of users, which are the clusters", "users"),
        Column("verdict", "string", "Verdict: trust | take care | do not use"),
        Column("reasons", "array<string>", "Reasons of the verdict"),
    ),
    ("as_of_date",),
    "evaluate_policies",
    "Estimated values of policies on logged data.",
    "as_of_date",
)

CHALLENGERS = Table(
    "challengers",
    ("as_of_date", "policy", "trial"),
    (
        AS_OF_DATE,
        Column(
            "trial",
            "string",
            "Identifier of the trial: its first date and 12 hex digits of a SHA-256 of the frozen files",
        ),
        Column("begun", "date", "Night on which the trial began. Evaluation starts on the next night"),
        Column("data_end", "date", "Last log_date of its training data. Evaluation uses later dates"),
        Column("policy", "string", "Name of the policy"),
        Column("files", "map<string,string>", "Frozen files, name -> SHA-256: bandit and values, ranker, or both"),
        Column("values", "string", "Description of its learned values, JSON", null="plans are valued by hit rates"),
        Column("exploration", "string", "Exploration settings, JSON"),
        Column("against", "string", "Digest of the files that it would replace"),
        Column("alpha", "double", "Share of the error budget alpha that the trial received when it began"),
        Column("night", "int", "Number of the night in the trial; 0 on its first night", "nights"),
        Column(
            "outcome", "string", "Outcome: keep | promote | futile | harmed | expired | replaced | ended | withdrawn"
        ),
        Column("ended", "date", "Night of the final outcome", null="the trial goes on"),
        Column(
            "looks",
            "array<struct<night:int,difference:double,standard_error:double>>",
            "Looks so far, one per night: difference from the champion and its standard error, reward per impression",
        ),
        Column(
            "critical",
            "double",
            "Critical value of Z on this night",
            null="no critical value on this night",
            exact=False,
        ),
        Column(
            "slices",
            "map<string,string>",
            "Slice -> harmed | unharmed | not yet judged | not judged; empty if slices were not evaluated",
        ),
        Column("why", "string", "Reasons of the newest outcome", exact=False),
        Column("mlflow_run_id", "string", "MLflow run of the training; empty if there is none", exact=False),
        Column(
            "canary", "string", "Time at which a person began the canary, ISO 8601, UTC", null="the trial is no canary"
        ),
        Column(
            "kind",
            "string",
            "Kind of the trial: bandit | canary | ranker",
            null="written by an earlier version: a canary if `canary` is set, else a bandit",
        ),
        Column(
            "waited",
            "int",
            "Number of nights on which a canary ran; they are not counted in `night`",
            "nights",
            null="written by an earlier version: 0",
        ),
    ),
    ("as_of_date",),
    "publish_policy",
    "Trials of the gates: current ones, and those that ended within the nights of the alpha budget.",
    "as_of_date",
)

RELEASES = Table(
    "releases",
    ("policy_version", "action", "run_date", "sequence"),
    (
        Column("policy_version", "string", "Version of the bundle that the row describes"),
        Column(
            "sequence",
            "bigint",
            "Sequence number of the pointer that made the version current",
            null="the pointer did not move",
        ),
        Column(
            "action",
            "string",
            "Action: published | refreshed | refused | promoted | rolled_back | canary_begun | canary_ended",
        ),
        Column("run_date", "date", "Logical date of the night", null="a person acted"),
        Column("at", "timestamp", "Time of the action, UTC", exact=False),
        Column("why", "string", "Reasons of the action", exact=False),
        Column("by_whom", "string", "Job or person that acted"),
        Column("previous_version", "string", "Version that was current before", null="no version was current"),
        Column(
            "lineage",
            "map<string,string>",
            "Origin of the bundle: MLflow run, hashes of payloads, data window",
            exact=False,
        ),
        Column("canary_version", "string", "Version of the canary from this pointer on", null="no canary runs"),
        Column("canary_share", "double", "Share of the users that the canary serves", null="no canary runs"),
        Column(
            "policy",
            "string",
            "Name of the policy. Each policy counts its own sequence numbers",
            null="written by an earlier version: the policy whose pointer of this sequence names the version",
        ),
    ),
    (),
    "publish_policy",
    "Changes of the served version and refusals of candidates, append-only. The command line appends "
    "actions of people.",
)

FORGOTTEN_USERS = Table(
    "forgotten_users",
    ("user_key",),
    (USER_KEY, Column("since", "date", "Date of the user's request")),
    (),
    "cli",
    "Users whose rows are dropped at ingestion, in reruns too.",
)

JOB_RUNS = Table(
    "job_runs",
    ("job", "run_date", "attempt"),
    (
        Column("job", "string", "Name of the job"),
        Column("run_date", "date", "Logical date of the run"),
        Column("attempt", "int", "Number of the attempt, 1-based"),
        Column("committed_at", "timestamp", "Time of the commit, UTC", exact=False),
        Column("code_version", "string", "Version of ltrr"),
        Column("config_digest", "string", "SHA-256 of the settings"),
        Column(
            "inputs",
            "array<struct<table:string,run_date:date,version:bigint,state:string>>",
            "Tables and notes that the job read: name, date of the run that wrote them, version, state",
            exact=False,
        ),
        Column(
            "outputs",
            "array<struct<table:string,version:bigint,rows:bigint,digest:string,state:string>>",
            "Tables that the job wrote: version, rows, digest of the replaced partitions, state of this "
            "and all earlier commits",
            exact=False,
        ),
        Column(
            "notes",
            "map<string,string>",
            "Results for later jobs that are not tables, such as hashes of payloads (`pipelines.notes`)",
            exact=False,
        ),
        Column("seconds", "double", "Wall-clock duration", "seconds", exact=False),
    ),
    (),
    "runner",
    "Commit point of all jobs: without a row here, nothing that a job wrote is visible.",
)

LEARNING_TABLES = (BANDIT_ROWS, RANKING_ROWS, OPE_ESTIMATES, CHALLENGERS, RELEASES, FORGOTTEN_USERS, JOB_RUNS)
