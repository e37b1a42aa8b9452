"""`conf/base.yaml`, rendered from the rooms' settings: `python -m ltrr.config.reference > conf/base.yaml`.

Every setting is declared once, beside its user; this page repeats name, default and meaning for those who set them.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, get_type_hints

import yaml

from ltrr.config.settings import Settings
from ltrr.core.exploration import ExplorationSettings

_HEAD = """\
# Every setting with its meaning and its default, which is what a line that is commented out stands for.
# Written by `python -m ltrr.config.reference`, a page to read: no command reads this file. Your own values go into
# `ltrr.yaml` of the home (what this home is), a file given with --config (how it is run: dev.yaml, prod.yaml) and
# --set section.name=value. The later wins: ltrr.yaml of the home < --config < --set and other options.
# An unknown key is an error.

# First logical date; nothing before it is asked for. `ltrr policies init` writes it to ltrr.yaml of the home.
#history_starts: 2026-01-01

# What is decided and among which strategies has no default: `ltrr policies init` writes it to ltrr.yaml of the home.
#policy: {name: search, strategies: [title, semantic, memory], block_size: 2, budget: 4}

# How much, and among what, it explores; there, or with --set.
"""
_ENTRY = re.compile(r"^ {8}(\w+): (.*?)(?=^ {8}\w+: |^ {4}\S|\Z)", re.MULTILINE | re.DOTALL)


def render_reference() -> str:
    """The whole file."""
    kinds = get_type_hints(Settings)
    sections = [field.name for field in dataclasses.fields(Settings) if dataclasses.is_dataclass(kinds[field.name])]
    exploration = "\n".join(_entries(ExplorationSettings, _plain(ExplorationSettings()), "", "policy.exploration."))
    return f"{_HEAD}{exploration}\n" + "".join(_section(name, kinds[name]) for name in sections if name != "policy")


def _section(name: str, kind: Any) -> str:
    lines = [f"\n# {(kind.__doc__ or '').strip().splitlines()[0]}", f"{name}:"]
    defaults = _plain(kind())
    if name == "paths":
        # Resolved where they are made; here they are what they are told.
        defaults = {**dict.fromkeys(defaults, ""), "home": "home"}
    return "\n".join([*lines, *_entries(kind, defaults, "  ", "")]) + "\n"


def _entries(kind: Any, defaults: dict[str, Any], indent: str, prefix: str) -> Iterator[str]:
    """Meaning and default of each setting, commented out."""
    entries = [entry for base in kind.__mro__ for entry in _ENTRY.findall(base.__doc__ or "")]
    meanings = {key: " ".join(text.split()) for key, text in entries}
    for key, value in defaults.items():
        yield from textwrap.wrap(
            meanings.get(key, ""), 116, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        told = yaml.safe_dump({key: value}, default_flow_style=True, width=10_000).strip()[1:-1]
        yield f"{indent}#{prefix}{told}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


if __name__ == "__main__":
    sys.stdout.write(render_reference())
