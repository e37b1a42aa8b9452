"""Parts of `benchmarks/ope_plans.py`: worlds, policies, logs, estimates and tables."""
