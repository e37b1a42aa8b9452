"""Off-policy evaluation of anyone's log: rows, formats, sums, reward model, bootstrap, propensity checks, report."""
