"""Parts of `benchmarks/gate.py`: challengers of known value, streams, bounds, bars, tables."""
