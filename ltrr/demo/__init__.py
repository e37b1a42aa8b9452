"""The whole loop in a world of known truth: days of service, nights of learning, and what it was truly worth."""
