"""Commands that the cases run."""

from __future__ import annotations

from collections.abc import Callable

Said = Callable[..., tuple[int, str, str]]
"""Arguments of `ltrr ope` -> exit code, stdout and stderr."""
