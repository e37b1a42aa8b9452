"""Off-policy evaluation of any log: formats, checks, sums, reward model, bootstrap, report."""
