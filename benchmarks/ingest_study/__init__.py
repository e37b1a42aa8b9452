"""Parts of the benchmark of ingestion: logs, and the three ways to ingest them."""
