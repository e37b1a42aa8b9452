"""What `benchmarks/retrieval.py` is made of: a log of known truth, values learned from it, policies judged exactly."""
