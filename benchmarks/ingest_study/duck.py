"""DuckDB's parse, join and aggregation of a UBI or ltrr log; prints seconds and rows as JSON.

PYTHON -m benchmarks.ingest_study.duck FOLDER FORM THREADS OUT
"""

from __future__ import annotations

import json
import sys
import time

SLATES = {
    "ubi": """
        SELECT shown.*, coalesce(clicks.n, 0) AS clicks
        FROM (SELECT query_id AS id, user_query AS query, client_id AS person,
                     unnest(query_response_hit_ids) AS entity_id,
                     generate_subscripts(query_response_hit_ids, 1) AS position
              FROM lines WHERE user_query IS NOT NULL) shown
        LEFT JOIN (SELECT query_id AS id, event_attributes.object.object_id AS entity_id, count(*) AS n
                   FROM lines WHERE action_name = 'click' GROUP BY ALL) clicks USING (id, entity_id)""",
    "ltrr": """
        SELECT shown.*, coalesce(clicks.n, 0) AS clicks
        FROM (SELECT id, query, person, slot.entity_id AS entity_id, slot.position AS position
              FROM (SELECT impression_id AS id, query_text AS query, "user" AS person, unnest(slate) AS slot
                    FROM lines WHERE query_text IS NOT NULL)) shown
        LEFT JOIN (SELECT impression_id AS id, entity_id, count(*) AS n
                   FROM lines WHERE kind = 'click' GROUP BY ALL) clicks USING (id, entity_id)""",
}
"""Form of the log -> shown entities with the number of their clicks."""


def main(folder: str, form: str, threads: str, out: str) -> None:
    """Read the log, join clicks to shown entities, write both, and sum the slates by pair."""
    import duckdb  # Only in the environment of this module.

    started = time.monotonic()
    connection = duckdb.connect(config={"threads": int(threads)})
    # All columns, as ingestion checks and keeps them.
    lines = connection.read_json(f"{folder}/*.ndjson", format="newline_delimited", maximum_object_size=1 << 24)
    lines.create("lines")
    connection.sql(SLATES[form]).create("slates")
    for table in ("slates", "lines"):
        connection.table(table).write_parquet(f"{out}/{table}.parquet")
    pairs = connection.sql("SELECT query, entity_id, sum(clicks), count(*) FROM slates GROUP BY ALL").fetchall()
    [(rows, clicks)] = connection.sql("SELECT count(*), sum(clicks) FROM slates").fetchall()
    found = {"seconds": time.monotonic() - started, "rows": rows, "clicks": int(clicks), "pairs": len(pairs)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
