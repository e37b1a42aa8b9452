"""Tables that people and commands write, and the commit point of every job."""

from __future__ import annotations

from ltrr.tables.shared_columns import ENTITY_ID, QUERY_KEY, USER_KEY
from ltrr.tables.table import Column, Table

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

HOME_TABLES = (FORGOTTEN_USERS, JUDGMENTS, ENTITIES, JOB_RUNS)
