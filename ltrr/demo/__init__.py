"""The demo: days of service and nights of learning in a simulated world, with true values."""
