"""Parts of `benchmarks/retrieval.py`: a log of known truth, values learned from it, policies judged exactly."""
