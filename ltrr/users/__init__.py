"""Limits on how much one user counts: caps per user and date, and exclusion of outliers."""
