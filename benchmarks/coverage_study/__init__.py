"""Parts of `benchmarks/ope_coverage.py`: worlds of known truth, interval methods, bars, tables."""
