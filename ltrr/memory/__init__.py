"""The query-to-entity memory: decayed evidence, shrunk scores."""
