"""Parts of `benchmarks/retrieval.py`: a simulated log, values learned from it, exact recall."""
