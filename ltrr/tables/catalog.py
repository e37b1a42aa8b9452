"""All tables of ltrr, in the order in which a night writes them."""

from __future__ import annotations

from ltrr.errors import UsageError
from ltrr.tables.evidence_tables import EVIDENCE_TABLES
from ltrr.tables.home_tables import HOME_TABLES
from ltrr.tables.judging_tables import JUDGING_TABLES
from ltrr.tables.learning_tables import LEARNING_TABLES
from ltrr.tables.log_tables import LOG_TABLES
from ltrr.tables.table import Table

_GROUPS = (LOG_TABLES, EVIDENCE_TABLES, LEARNING_TABLES, JUDGING_TABLES, HOME_TABLES)
CATALOG: dict[str, Table] = {entry.name: entry for group in _GROUPS for entry in group}


def table(name: str) -> Table:
    """The declaration of the table `name`.

    >>> table("impressions").grain
    ('log_date', 'impression_id')

    Raises:
        UsageError: No table has this name. The message lists all names.
    """
    if name not in CATALOG:
        raise UsageError(
            "unknown table", which="table", expected=" | ".join(CATALOG), got=name, todo="see docs/reference/tables.md"
        )
    return CATALOG[name]
