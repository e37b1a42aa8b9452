"""How much one user counts: caps per user and day, exclusion of outliers, and the names of both."""
