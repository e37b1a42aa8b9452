"""Formats that services and other tools read: manifest, policy bundle, decision record."""
