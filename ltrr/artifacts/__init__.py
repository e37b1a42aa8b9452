"""The formats that leave this project: manifest, policy bundle, decision record."""
