"""Studies whose figures stand in docs/: each runs as `python benchmarks/NAME.py` or `python -m benchmarks.NAME`."""
