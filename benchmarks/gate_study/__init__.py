"""Parts of `benchmarks/gate.py`: challengers of known worth, streams of nights, bounds, bars and tables."""
