"""Ingestion: lines of logs become rows of the log tables, or are rejected with a reason."""
