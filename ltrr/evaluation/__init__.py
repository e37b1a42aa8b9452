"""Off-policy evaluation of the policies of a home, on its own logs."""
