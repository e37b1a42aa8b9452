"""Training data and training of the models that choose a plan: bandit and values."""
