"""Simulated worlds with known true values: entities, strategies that search a catalogue, users who click."""
