"""Training rows and models for choosing a plan."""
