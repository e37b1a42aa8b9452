"""The whole loop against a world of known truth: days of service and nights of learning, then what it was truly worth."""
