"""Tables of training rows: one table per learner."""

from __future__ import annotations

from ltrr.tables.shared_columns import (
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

LEARNING_TABLES = (BANDIT_ROWS, RANKING_ROWS)
