"""Tables of evaluation, trials and releases."""

from __future__ import annotations

from ltrr.estimation.estimators import BY_USER, list_nightly_estimators
from ltrr.tables.shared_columns import AS_OF_DATE
from ltrr.tables.table import Column, Table

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

JUDGING_TABLES = (OPE_ESTIMATES, CHALLENGERS, RELEASES)
