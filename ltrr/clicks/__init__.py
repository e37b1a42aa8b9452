"""Click models: the probability that users examine a position, and its use to correct clicks."""
