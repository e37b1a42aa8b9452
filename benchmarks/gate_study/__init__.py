"""What `benchmarks/gate.py` is made of: challengers of known worth, streams of nights, bounds, bars and tables."""
