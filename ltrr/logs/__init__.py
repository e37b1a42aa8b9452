"""Logs to tables: decision records and events, joined, checked, rejected with a reason."""
