"""Computations that a service and the night must share: queries, plans, features, probabilities.

Only such code belongs here: pure Python and numpy, without Spark and without files. A module that
no service loads belongs to `ltrr.estimation` or to the package that uses it. A test
(`tests/test_imports.py`) checks that every module of `ltrr.core` is reachable from `ltrr.serving`
or `ltrr.artifacts`.
"""
