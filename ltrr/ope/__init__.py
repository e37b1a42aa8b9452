"""Off-policy evaluation of any log: rows, formats, sums, reward model, bootstrap, propensity checks, report."""
