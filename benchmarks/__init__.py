"""Studies of docs/studies; each runs as `python benchmarks/NAME.py` or as `python -m benchmarks.NAME`."""
