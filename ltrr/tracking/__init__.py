"""MLflow: the runs of the nights. No other package imports MLflow."""
