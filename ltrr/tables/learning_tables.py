"""Tables of training, evaluation and release, and the commit point of every job."""

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
        Column("logging_propensity", "double", "Probability of the chosen plan under the logging policy"),
        Column("found_reward", "double", "Sum over shown entities of clicks / examination", "reward", exact=False),
        Column("page_reward", "double", "Sum of the rewards of shown entities, capped per entity", "reward"),
        Column("baseline", "double", "Planner's estimate of the value of the best plan", "reward"),
        Column(
            "shared_features",
            "array<double>",
            "Features of query and situation, as logged, in the order of the manifest",
        ),
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
        Column(
            "is_shadow",
            "boolean",
            "Whether a static page was served instead of the chosen plan: such rows train values only",
            null="an earlier version of ltrr wrote the row; false",
        ),
    ),
    ("log_date",),
    "train_bandit",
    "Training rows of the bandit, of closed dates. Features are those logged at decision time.",
    "log_date",
)

_NOT_LISTED = "the log has the features, or the memory did not list the entity"

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
        Column(
            "features",
            "array<double>",
            "Ranker features of the entity, as logged, in the order of the manifest; empty if the log has none",
        ),
        Column("clicks", "int", "1 if the user clicked the entity within the reward window, else 0"),
        Column(
            "examination",
            "double",
            "Examination probability of the position, at least `clicks.examination_floor`",
            exact=False,
        ),
        Column(
            "gain",
            "double",
            "Weight of the click: clicks / examination, at most `ranker.gain_cap`",
            "reward",
            exact=False,
        ),
        Column(
            "memory_rank",
            "bigint",
            "Rank of the entity in the memory's list for the query, from evidence of earlier dates only",
            null=_NOT_LISTED,
            exact=False,
        ),
        Column("memory_score", "double", "Score of the entity in that list", null=_NOT_LISTED, exact=False),
        Column("memory_best_score", "double", "Highest score of that list", null=_NOT_LISTED, exact=False),
        Column(
            "overlap",
            "array<double>",
            "Overlap of the query with the entity's fields in the catalogue, in the order of "
            "`ltrr.core.text_overlap.OVERLAPS`",
            null="the log has the features, or the home's catalogue does not have the entity",
            exact=False,
        ),
    ),
    ("log_date",),
    "train_ranker",
    "Training and evaluation rows of rankers: entities of impressions with a click, of closed dates. Features are "
    "those logged at decision time. Pages without logged features have what the served memory and the catalogue "
    "say instead.",
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
            "Evaluated impressions: held_out (users held out of training) | life (all users, dates after the "
            "training) | canary (dates of the canary)",
        ),
        Column(
            "policy",
            "string",
            "Evaluated policy: champion | challenger | candidate | canary | uniform | static. `x-champion` is the "
            "difference of the values of x and the champion",
        ),
        Column(
            "policy_version",
            "string",
            "Identifier of the evaluated policy: version of a bundle, hash of a payload, or text of a static plan",
        ),
        Column(
            "estimator",
            "string",
            f"Estimator: {' | '.join(one.name for one in list_nightly_estimators())}; {BY_USER.name} for a canary",
        ),
        Column("slice", "string", "Slice of the impressions: `all` or a query class"),
        Column("reward", "string", "Name of the reward that the value measures: page_reward"),
        Column(
            "value",
            "double",
            "Estimated mean reward of the policy",
            "reward per impression",
            null="undefined",
            exact=False,
        ),
        Column(
            "standard_error",
            "double",
            "Standard error of `value`, clustered by user",
            "reward per impression",
            null="undefined",
            exact=False,
        ),
        Column(
            "low",
            "double",
            "Lower bound of the two-sided interval of `value` with the level `evaluation.confidence`",
            null="undefined",
            exact=False,
        ),
        Column("high", "double", "Upper bound of the interval of `value`", null="undefined", exact=False),
        Column(
            "evidence",
            "double",
            "Evidence R: (sum of w r)^2 / sum over users of (the user's sum of w r)^2, with importance weights w "
            "and rewards r",
            null="undefined",
            exact=False,
        ),
        Column(
            "effective_sample_size",
            "double",
            "Effective sample size: (sum of w)^2 / sum of w^2, with importance weights w",
            "impressions",
            null="undefined",
            exact=False,
        ),
        Column("impressions", "bigint", "Number of evaluated impressions", "impressions"),
        Column("users", "bigint", "Number of users, which are the clusters of the standard error", "users"),
        Column("verdict", "string", "Verdict on the estimate: trust | take care | do not use"),
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
        Column("begun", "date", "Night on which the trial began. Its evaluation starts on the next night"),
        Column("data_end", "date", "Last log_date of the challenger's training data. Its evaluation uses later dates"),
        Column("policy", "string", "Name of the policy"),
        Column("files", "map<string,string>", "Frozen files, name -> SHA-256: bandit and values, ranker, or both"),
        Column(
            "values",
            "string",
            "Description of the challenger's learned values, JSON",
            null="plans are valued by hit rates",
        ),
        Column("exploration", "string", "Exploration settings of the challenger, JSON"),
        Column("against", "string", "Digest of the champion's files that the challenger would replace"),
        Column(
            "alpha", "double", "Error probability of the trial: the part of `gate.alpha` that it received when it began"
        ),
        Column("night", "int", "Number of the night in the trial; 0 on its first night", "nights"),
        Column(
            "outcome", "string", "Outcome: keep | promote | futile | harmed | expired | replaced | ended | withdrawn"
        ),
        Column("ended", "date", "Night of the final outcome", null="the trial has not ended"),
        Column(
            "looks",
            "array<struct<night:int,difference:double,standard_error:double>>",
            "Looks of the trial so far, one per night: difference of the values of challenger and champion and its "
            "standard error, in reward per impression",
        ),
        Column(
            "critical",
            "double",
            "Critical value of the test statistic Z (difference / standard error) on this night",
            null="no critical value was computed on this night",
            exact=False,
        ),
        Column(
            "slices",
            "map<string,string>",
            "Query class -> harmed | unharmed | not yet judged | not judged; empty if slices were not evaluated",
        ),
        Column("why", "string", "Reasons for the newest outcome of the trial", exact=False),
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
    "Trials of challengers: current ones, and those that ended within the last `gate.budget_nights` nights.",
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
        Column("run_date", "date", "Logical date of the night that acted", null="a person acted"),
        Column("at", "timestamp", "Time of the action, UTC", exact=False),
        Column("why", "string", "Reasons of the action", exact=False),
        Column("by_whom", "string", "Job or person that acted"),
        Column("previous_version", "string", "Version that was current before the action", null="there was none"),
        Column(
            "lineage",
            "map<string,string>",
            "Origin of the bundle: MLflow run, hashes of payloads, data window",
            exact=False,
        ),
        Column("canary_version", "string", "Version that serves as canary after this change", null="no canary runs"),
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
    "Changes of the served version and refusals of candidates. Rows are only added: by nights, and by the command "
    "line for actions of people.",
)

FORGOTTEN_USERS = Table(
    "forgotten_users",
    ("user_key",),
    (USER_KEY, Column("since", "date", "Date of the user's request to be forgotten")),
    (),
    "cli",
    "Users whose rows ingestion drops, also in reruns of earlier dates.",
)

JUDGMENTS = Table(
    "judgments",
    ("source", "query_key", "entity_id"),
    (
        Column("source", "string", "Name of the list of judgments, given at its import"),
        QUERY_KEY,
        ENTITY_ID,
        Column("query_text", "string", "Query text as the imported file has it"),
        Column("grade", "double", "Relevance in the scale of the source; 0 or less is not relevant", "grade"),
        Column("imported_at", "timestamp", "Time of the import, UTC", exact=False),
    ),
    ("source",),
    "cli",
    "Imported judgments of people or other tools, a second witness in reports. An import replaces the rows of its "
    "source. No job reads the table.",
)

_NOT_GIVEN = "the catalogue has none"

ENTITIES = Table(
    "entities",
    ("catalogue", "entity_id"),
    (
        Column("catalogue", "string", "Version of the catalogue: first 16 hex digits of a SHA-256 of its files"),
        ENTITY_ID,
        Column("title", "string", "Name of the entity", null=_NOT_GIVEN),
        Column("description", "string", "Text about the entity", null=_NOT_GIVEN),
        Column("people", "string", "Names of people who made it or are in it", null=_NOT_GIVEN),
        Column("topics", "string", "Genres, tags, moods", null=_NOT_GIVEN),
        Column("year", "double", "Year of its publication", "years", null=_NOT_GIVEN),
        Column("popularity", "double", "Popularity in the unit of the catalogue, 0 or more", null=_NOT_GIVEN),
    ),
    ("catalogue",),
    "cli",
    "Catalogues of entities, for text features of the ranker's rows and for names in reports. The setting "
    "`catalogue` names the version that nights read. Versions stay, so that a rerun reads the same rows.",
)

JOB_RUNS = Table(
    "job_runs",
    ("job", "run_date", "attempt"),
    (
        Column("job", "string", "Name of the job"),
        Column("run_date", "date", "Logical date of the run"),
        Column("attempt", "int", "Number of the attempt, 1-based"),
        Column("committed_at", "timestamp", "Time of the commit, UTC", exact=False),
        Column("code_version", "string", "Version of ltrr that ran the job"),
        Column("config_digest", "string", "First 16 hex digits of a SHA-256 of all settings that can change a result"),
        Column(
            "inputs",
            "array<struct<table:string,run_date:date,version:bigint,state:string>>",
            "Tables and notes (values of other jobs) that the job read: name, date of the run that wrote them, "
            "Delta version, digest of the state",
            exact=False,
        ),
        Column(
            "outputs",
            "array<struct<table:string,version:bigint,rows:bigint,digest:string,state:string>>",
            "Tables that the job wrote: Delta version, number of rows, digest of the replaced partitions, digest of "
            "this and all earlier commits (state)",
            exact=False,
        ),
        Column(
            "notes",
            "map<string,string>",
            "Results for later jobs that are not tables, such as hashes of payloads (`pipelines.notes`)",
            exact=False,
        ),
        Column("seconds", "double", "Wall-clock duration of the run", "seconds", exact=False),
    ),
    (),
    "runner",
    "Runs of jobs. A run is committed by its row here; without the row, later jobs do not see what it wrote.",
)

LEARNING_TABLES = (
    BANDIT_ROWS,
    RANKING_ROWS,
    OPE_ESTIMATES,
    CHALLENGERS,
    RELEASES,
    FORGOTTEN_USERS,
    JUDGMENTS,
    ENTITIES,
    JOB_RUNS,
)
