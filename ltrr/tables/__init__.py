"""The tables as data: grain, columns, units, meaning of null."""
