"""The whole loop in a world of known truth: days of service, nights of learning, and true values of the result."""
