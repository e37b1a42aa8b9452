"""Formats that ltrr recognizes by their keys in order to say why it does not read them."""

from __future__ import annotations

from ltrr.logs.line_format import LineFormat

UBI = LineFormat(
    "UBI",
    tuple(frozenset({key}) for key in ("query_id", "action_name", "user_query", "client_id")),
    refusal="it logs no draws and no propensities",
    shown_keys=frozenset(
        {
            *("query_id", "user_query", "client_id", "action_name", "timestamp", "event_attributes", "application"),
            *("message_type", "query_response_id", "query_attributes", "object", "object_id", "object_id_field"),
        }
    ),
)
BULK_REQUESTS = LineFormat(
    "the action line of a bulk request",
    (frozenset({"index"}), frozenset({"create"})),
    refusal="it announces a document and logs no search",
)
METARANK = LineFormat("Metarank", (frozenset({"event", "timestamp"}),), refusal="it logs no draws and no propensities")
DSJSON = LineFormat(
    "dsjson",
    tuple(frozenset({key}) for key in ("_label_cost", "_label_probability", "_labelIndex", "EventId")),
    refusal="its decisions are not plans of strategies; `ltrr ope --format dsjson` judges such logs",
    shown_keys=frozenset(
        {"Version", "EventId", "_label_cost", "_label_probability", "_label_Action", "_labelIndex", "_multi"}
    ),
)
