"""What must agree online and in batch: pure Python and numpy, no Spark, no files."""
