"""Parts of `benchmarks/heavy_users.py`: robots and honest users, and the effect of the limits."""
