"""The past performance of each retrieval strategy."""
