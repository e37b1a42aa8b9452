"""What `benchmarks/ope_coverage.py` is made of: worlds of known truth, ways to an interval, bars and tables."""
