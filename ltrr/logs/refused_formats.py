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
