"""Parts of benchmarks/propensities.py: logs of known propensities, a replayed night, and the report."""
