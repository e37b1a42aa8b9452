"""Worlds of known truth: entities, strategies that really search, users who click."""
