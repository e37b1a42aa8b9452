"""Declarations of all tables: grain, columns, units, meaning of null."""
