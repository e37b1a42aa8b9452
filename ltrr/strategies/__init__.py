"""Strategy history: the past performance of the blocks of each retrieval strategy."""
