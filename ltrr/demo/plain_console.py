"""The one kind of rich console in ltrr: it takes every text as it is."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from ltrr.demo.shown_text import escape_controls


class PlainConsole(Console):
    """A console without markup and emoji codes, whose texts contain no control characters.

    Queries, entity ids, reasons and error texts come from logs: `[/b]` is no markup there, and
    `:heart:` no emoji. rich makes every text, table cell and title with `render_str`, so no caller
    has to remember it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text of a string; line feeds and tabs stay."""
        return super().render_str(
            escape_controls(text, keeps_lines=True), **{**options, "markup": False, "emoji": False}
        )
