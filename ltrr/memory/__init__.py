"""Query-to-entity memory: decayed clicks and examinations, and shrunk scores."""
