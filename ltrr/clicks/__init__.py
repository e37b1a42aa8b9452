"""Click models: the probability that users examine a position, and the correction of clicks for it."""
