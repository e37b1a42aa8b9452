"""One converted search without decision and slate -> its row of `impressions`, as plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ltrr.core.hashing import user_fold
from ltrr.core.queries import query_class
from ltrr.logs.record_rows import Pseudonyms, cached_query_key


def search_row(
    search: Mapping[str, Any], at: datetime, arrival_date: date, pseudonyms: Pseudonyms, key_version: int
) -> dict[str, Any]:
    """Row of `impressions` of a search that no policy of ltrr served.

    Policy, versions and the user's clock are unknown, so they are null. `pages` is never null: it
    says that the slate comes from the response and the events (`ltrr.logs.shown`).

    Args:
        search: Content of a `Record` of kind `search`: impression_id, at, query_text, user, session
            (empty if unknown), surface, first_position and entity_ids of the response.
        at: Time of the search in UTC.
        arrival_date: Date on which the line arrived.
        pseudonyms: Pseudonyms of users, which have the secret.
        key_version: Version of the query key of the home.
    """
    key = cached_query_key(search["query_text"], key_version)
    user = pseudonyms.of(search["user"], search["session"], at, search["impression_id"])
    page = {"at": at, "first_position": search["first_position"], "entity_ids": search["entity_ids"]}
    return {
        "impression_id": search["impression_id"],
        "at": at,
        "log_date": min(at.date(), arrival_date),
        "arrival_date": arrival_date,
        "query_text": search["query_text"],
        "query_key": key,
        "query_class": query_class(key),
        "user_key": user,
        "user_fold": user_fold(user),
        "session_key": pseudonyms.session(search["session"]) if search["session"] else None,
        "surface": search["surface"],
        "context": [],
        "served_by": "static",
        "pages": [page] if search["entity_ids"] else [],
    }
