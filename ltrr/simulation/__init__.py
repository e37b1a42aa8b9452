"""Simulated worlds with known true values: catalogue, search strategies, and users who click."""
