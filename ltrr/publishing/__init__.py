"""The gate, the releases, the rollback."""
