"""What shadow mode predicts, what is true, and whether the proposed canary has its verdict."""
