"""Columns that several tables share, so that one word has one type and one meaning everywhere."""

from __future__ import annotations

from ltrr.tables.table import Column

LOG_DATE = Column(
    "log_date",
    "date",
    "UTC date of the decision; of a record whose clock is ahead at midnight, of the folder it arrived in",
)
AS_OF_DATE = Column("as_of_date", "date", "logical date of the run that computed the row; it knows nothing later")
IMPRESSION_ID = Column(
    "impression_id",
    "string",
    "one search served once; unique within its log_date: ingestion forgets ids after late_days, so a join on it "
    "names log_date too",
)
STEP = Column("step", "int", "1-based number of the choice within the impression; 1 with decide: plan")
ENTITY_ID = Column("entity_id", "string", "the thing retrieved")
STRATEGY = Column("strategy", "string", "one retrieval source")
DEPTH = Column("depth", "int", "n-th block of the strategy, 1-based", "blocks")
POSITION = Column("position", "int", "place on the page, 1-based")
QUERY_KEY = Column("query_key", "string", "canonical query text")
QUERY_CLASS = Column("query_class", "string", "class of the query by the stated rule of core.queries")
USER_KEY = Column(
    "user_key",
    "string",
    "keyed hash of the user id; of a search without a user one of its own, which begins with ~",
)
USER_FOLD = Column("user_fold", "int", "0..99 by hash of user_key; below held_out_percent: never trained on")
SURFACE = Column("surface", "string", "page or application that showed the slate")
POLICY_VERSION = Column("policy_version", "string", "bundle that served")

BLOCKS = (
    "array<struct<strategy:string,depth:int,status:string,entity_ids:array<string>,scores:array<double>,"
    "overlaps:array<array<double>>,clicks:array<double>,examinations:array<double>>>"
)
"""Type of a column of blocks: `ltrr.artifacts.looks.block_row` makes its elements."""
