"""Loads a published policy and serves it: numpy, vowpalwabbit, xgboost, fsspec; no Spark, no MLflow."""
