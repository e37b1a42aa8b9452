"""Parts of `benchmarks/propensities.py`: logs of known propensities, a replayed night, a report."""
