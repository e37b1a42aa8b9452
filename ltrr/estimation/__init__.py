"""Statistics of estimates in pure numpy: exact sums, estimators, intervals, sequential bounds; no Spark, no files."""
