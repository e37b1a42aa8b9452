"""Worlds, policies, logs and judges of `ope_plans.py`."""
