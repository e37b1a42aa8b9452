"""Training and evaluation of the ranker, which orders the union of the drawn blocks."""
