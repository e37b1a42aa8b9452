"""Writes the generated pages of docs/reference: `python docs/reference_pages.py`.

tests/docs/test_reference.py compares the pages with what the code says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

from ltrr.artifacts.decision_record import schema
from ltrr.cli.app import app
from ltrr.config.reference import render_reference
from ltrr.tables.markdown import render_catalog

FOLDER = Path(__file__).parent / "reference"
WRITTEN = "Written by `python docs/reference_pages.py`; a test compares this page with the code.\n"


def render_tables() -> str:
    """The tables of a home, from the catalog."""
    return render_catalog() + "\n"


def render_settings() -> str:
    """`conf/base.yaml`, a section a heading."""
    head, *sections = re.split(r"\n\n(?=# .*\n\w+:\n)", render_reference())
    lines = ["# Settings\n", WRITTEN]
    lines += ["The same text is the file `conf/base.yaml`. [Operate](../how-to/operate.md#settings) says"]
    lines += ["in which file your own values belong.\n", "## General\n", _fenced("yaml", head)]
    for section in sections:
        title, name, entries = section.split("\n", 2)
        lines += [f"\n## {name[:-1]}\n", title[2:] + "\n", _fenced("yaml", f"{name}\n{entries}")]
    return "\n".join(lines) + "\n"


def render_cli() -> str:
    """Every command of `ltrr` with its arguments and options, from typer."""
    lines = ["# Command line\n", WRITTEN]
    lines += ["Exit codes: 0 done, 1 a fault, 2 a mistake in the call, the settings or the installation,"]
    lines += ["3 not ready yet: try again later. `ltrr` alone prints this list.\n"]
    for name, command in _commands("ltrr", typer.main.get_command(app)):
        lines += [f"## {name}\n", *_command(name, command)]
    return "\n".join(lines).rstrip() + "\n"


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child, below in getattr(command, "commands", {}).items():
        yield from _commands(f"{name} {child}", below)


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    shown = [name_of(argument) if argument.required else f"[{name_of(argument)}]" for argument in arguments]
    usage = " ".join([name, *(["COMMAND"] if hasattr(command, "commands") else []), *shown])
    yield f"```text\n{usage}{' [OPTIONS]' if options else ''}\n```\n"
    yield _paragraphs(command.help or "") + "\n"
    rows = [*(_argument(parameter) for parameter in arguments), *(_option(option) for option in options)]
    if rows:
        yield "| option | meaning | default |\n|---|---|---|"
        yield "\n".join(rows) + "\n"


def name_of(parameter: Any) -> str:
    """Name of an argument as the usage line shows it."""
    return str(parameter.metavar or parameter.name.upper())


def _argument(parameter: Any) -> str:
    return _row(f"`{name_of(parameter)}`", parameter.help or "", "required" if parameter.required else "")


def _option(option: Any) -> str:
    if option.name == "help":
        return _row("`--help`", "Show this message and exit.", "")
    default = "required" if option.required else "" if option.default in (None, False, ()) else f"`{option.default}`"
    names = ", ".join(f"`{name}`" for name in option.opts)
    return _row(names, option.help or "", "" if callable(option.default) else default)


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.replace("\b", "").split("\n\n"))


def render_schemas() -> str:
    """Every field of a decision record and of an event, from the JSON Schemas."""
    lines = ["# Record schema\n", WRITTEN]
    lines += ["The schemas themselves are `ltrr/artifacts/decision_record.schema.json` and"]
    lines += ["`ltrr/artifacts/event.schema.json`. [The log contract](log-contract.md) explains the fields.\n"]
    for kind in ("decision_record", "event"):
        declared = schema(kind)
        lines += [f"## {kind}\n", declared["description"] + "\n"]
        lines += [
            "| field | type | required | rule |",
            "|---|---|---|---|",
            *_fields(declared, declared.get("$defs", {}), ""),
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _fields(declared: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[str]:
    required = declared.get("required", ())
    for name, field in declared.get("properties", {}).items():
        resolved = _resolved(field, definitions)
        path = f"{prefix}{name}"
        yield _row(f"`{path}`", _type(resolved, definitions), "yes" if name in required else "no", _rule(resolved))
        inner = _resolved(resolved.get("items", resolved), definitions)
        suffix = "[]." if "items" in resolved else "."
        yield from _fields(inner, definitions, f"{path}{suffix}")


def _resolved(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = field.get("$ref")
    return definitions[reference.rpartition("/")[2]] if reference else field


def _type(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    kind = field.get("type", "")
    if kind == "array":
        return f"array of {_type(_resolved(field['items'], definitions), definitions)}"
    if isinstance(kind, list):
        return " or ".join(kind)
    return kind or ("integer" if isinstance(field.get("const"), int) else "string")


_RULES: Mapping[str, Callable[[Any], str]] = {
    "const": lambda value: f"is {json.dumps(value)}",
    "enum": lambda values: "one of " + ", ".join(f"`{value}`" for value in values),
    "minimum": lambda value: f">= {value}",
    "exclusiveMinimum": lambda value: f"> {value}",
    "maximum": lambda value: f"<= {value}",
    "minLength": lambda value: f"at least {value} character",
    "minItems": lambda value: f"at least {value} item{'s' * (value > 1)}",
    "maxItems": lambda value: f"at most {value} item{'s' * (value > 1)}",
    "pattern": lambda value: f"matches `{value}`",
}


def _rule(field: Mapping[str, Any]) -> str:
    return ", ".join(rule(field[name]) for name, rule in _RULES.items() if name in field)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```"


PAGES: Mapping[str, Callable[[], str]] = {
    "tables.md": render_tables,
    "settings.md": render_settings,
    "cli.md": render_cli,
    "record-schema.md": render_schemas,
}


def main() -> None:
    """Write every page."""
    for name, render in PAGES.items():
        (FOLDER / name).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
