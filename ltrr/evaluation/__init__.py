"""Off-policy evaluation: what a policy would have earned, from logs of another."""
