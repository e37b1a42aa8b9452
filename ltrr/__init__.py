"""Learning to rank and retrieve.

ltrr learns which retrieval strategies to query, how deep, and how to rank their union.
"""

__version__ = "0.2.0"
