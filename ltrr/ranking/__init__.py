"""Training rows and models for ordering the union."""
