"""Statistics of estimates in numpy: exact sums, estimators, intervals, sequential bounds."""
