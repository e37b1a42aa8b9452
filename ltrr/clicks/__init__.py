"""Click models: which positions are looked at, and what a click is worth."""
