"""Options that every command shares, declared once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from ltrr.config import PathSettings, Settings, load_settings
from ltrr.errors import UsageError


def check_home(home: Path | None) -> Path | None:
    """The home as given; before any command makes a folder named `s3:`.

    Raises:
        ConfigError: it is a URL.
    """
    if home is not None:
        PathSettings(home=home)
    return home


Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder that holds tables, policies, logs and MLflow's store.", callback=check_home),
]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings; an unknown key is an error.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, section.name=VALUE; may be given several times.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of tables.")]
Date = Annotated[str, typer.Option("--date", help="Logical date, YYYY-MM-DD (UTC).")]
AcceptQuality = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-quality",
        metavar="NAME[,NAME]:REASON",
        help="Go on in spite of these failed quality checks and no others; the reason is recorded. May be repeated.",
    ),
]


def parse_date(text: str) -> date:
    """A date as typed.

    Raises:
        UsageError: it is no date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as fault:
        raise UsageError("not a date", which="--date", expected="YYYY-MM-DD", got=repr(text)) from fault


def settings_of(home: Path | None, config: Path | None, changes: list[str] | None, **more: Any) -> Settings:
    """The settings of a command; a home that is named must be there, or a typing mistake would make a new one.

    Raises:
        UsageError: the home is not a folder.
        ConfigError: see `load_settings`.
    """
    if home is not None and not home.is_dir():
        raise UsageError(
            "there is no such home",
            which="--home",
            got=str(home),
            todo="check the path, or run `ltrr policies init` first",
        )
    return load_settings(home, config, changes or (), **more)
