"""Formats that ltrr recognizes by their keys in order to say why it does not read them."""

from __future__ import annotations

from ltrr.logs.line_format import LineFormat

METARANK = LineFormat(
    "Metarank",
    (frozenset({"event", "timestamp"}),),
    refusal="map its columns (docs/how-to/bring-a-log.md has the mapping)",
)
FUSION = LineFormat(
    "Fusion signals",
    (frozenset({"type_s"}), frozenset({"fusion_query_id"})),
    refusal="map its columns (docs/how-to/bring-a-log.md has the mapping)",
)
DSJSON = LineFormat(
    "dsjson",
    tuple(frozenset({key}) for key in ("_label_cost", "_label_probability", "_labelIndex", "EventId")),
    refusal="its decisions are not plans of strategies; `ltrr ope --format dsjson` judges such logs",
    shown_keys=frozenset(
        {"Version", "EventId", "_label_cost", "_label_probability", "_label_Action", "_labelIndex", "_multi"}
    ),
)
