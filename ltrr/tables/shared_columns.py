"""Columns that several tables share, so that one name has one type and one meaning."""

from __future__ import annotations

from ltrr.tables.table import Column

LOG_DATE = Column(
    "log_date",
    "date",
    "UTC date of the decision. If the service's clock was ahead around midnight, date of the folder in which the "
    "record arrived",
)
AS_OF_DATE = Column(
    "as_of_date", "date", "Logical date of the run that computed the row. The row depends on no data after it"
)
IMPRESSION_ID = Column(
    "impression_id",
    "string",
    "Identifier of one served search, unique within its log_date only: ingestion remembers identifiers for "
    "`logs.late_days`. Joins use log_date and impression_id",
)
STEP = Column("step", "int", "Number of the choice within the impression, 1-based; always 1 with `decide: plan`")
ENTITY_ID = Column("entity_id", "string", "Identifier of the retrieved entity")
STRATEGY = Column("strategy", "string", "Name of the retrieval strategy")
DEPTH = Column("depth", "int", "Number of the block within the strategy, 1-based", "blocks")
POSITION = Column("position", "int", "Position on the page, 1-based")
QUERY_KEY = Column("query_key", "string", "Canonical form of the query text")
QUERY_CLASS = Column(
    "query_class", "string", "Class of the query by length and form, as `ltrr.core.queries` defines it"
)
USER_KEY = Column(
    "user_key",
    "string",
    "Keyed hash of the user id, or of the session id of a search without a user. A search without both has a key of "
    "its own that begins with ~",
)
USER_FOLD = Column(
    "user_fold",
    "int",
    "Fold of the user, 0..99, by a hash of user_key. Users with a fold below `evaluation.held_out_percent` are held "
    "out of training",
)
SURFACE = Column("surface", "string", "Page or application that showed the slate")
POLICY_VERSION = Column(
    "policy_version",
    "string",
    "Version of the bundle that served the search; of a decision service, service- and a hash",
)
PAGES = "array<struct<at:timestamp,first_position:int,entity_ids:array<string>>>"
"""Pages of a response: time, position of the first entity, entities in order."""

BLOCKS = (
    "array<struct<strategy:string,depth:int,status:string,entity_ids:array<string>,scores:array<double>,"
    "overlaps:array<array<double>>,clicks:array<double>,examinations:array<double>>>"
)
"""Type of a column of blocks. `ltrr.artifacts.looks.block_row` makes its elements."""
