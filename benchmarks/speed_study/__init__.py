"""Parts of the speed benchmarks: made-up logs, timing, the compared ways, and the report."""
