"""Parts of the speed benchmarks: made-up logs, timing, the ways that are compared, and their report."""
