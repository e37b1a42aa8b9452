"""Options that commands share, declared once; `with_common` adds the four most common ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from ltrr.cli.output import Rows, show_rows
from ltrr.config import PathSettings, Settings, load_section, load_settings
from ltrr.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


def check_home(home: Path | None) -> Path | None:
    """The home as given, which must not be a URL: a command would create a folder named `s3:`.

    Raises:
        ConfigError: It is a URL.
    """
    if home is not None:
        PathSettings(home=home)
    return home


Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder that holds tables, policies, logs and MLflow's store.", callback=check_home),
]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings. An unknown key is an error.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="One setting, section.name=VALUE. May be repeated.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Date = Annotated[str, typer.Option("--date", help="Logical date, YYYY-MM-DD (UTC).")]
AcceptQuality = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-quality",
        metavar="NAME[,NAME]:REASON",
        help="Accept these failed quality checks, no others; the reason is recorded. May be repeated.",
    ),
]
WorldName = Annotated[str, typer.Option("--world", help="music (generated) or msrd (real films and queries).")]
WorldData = Annotated[Path | None, typer.Option("--data", help="Folder of the world's data (msrd).")]
Hybrid = Annotated[bool, typer.Option(help="Make the fusion of lexical and semantic search a strategy.")]


@dataclass(frozen=True)
class Common:
    """Values of `--home`, `--config`, `--set` and `--json`."""

    home: Path | None
    config: Path | None
    changes: list[str] | None
    as_json: bool

    def settings(self) -> Settings:
        """All settings; a home that is given must exist (`settings_of`)."""
        return settings_of(self.home, self.config, self.changes)

    def section(self, kind: type[S]) -> S:
        """One section of the settings, for commands that need neither a policy nor a home."""
        return load_section(kind, self.home, self.config, self.changes or ())

    def show(self, rows: Rows, title: str) -> None:
        """Print rows as a table, or as JSON with `--json`."""
        show_rows(rows, title, as_json=self.as_json)


def with_common(command: Callable[Concatenate[Common, P], R]) -> Callable[..., R]:
    """Add `--home`, `--config`, `--set` and `--json` to a command, as its first argument.

    >>> def count(common: Common, limit: int = 3) -> int:
    ...     return limit
    >>> list(inspect.signature(with_common(count)).parameters)
    ['limit', 'home', 'config', 'changes', 'as_json']
    >>> with_common(count)(limit=7)
    7
    """
    kinds: dict[str, tuple[Any, Any]] = {
        "home": (Home, None),
        "config": (Config, None),
        "changes": (Set, None),
        "as_json": (Json, False),
    }

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        values: dict[str, Any] = {name: options.pop(name, default) for name, (_, default) in kinds.items()}
        return command(Common(**values), *arguments, **options)

    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in kinds.items()
    ]
    parameters = [*(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own), *shared]
    signature = inspect.Signature(parameters, return_annotation=inspect.signature(command).return_annotation)
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def parse_date(text: str) -> date:
    """The date of a text.

    Raises:
        UsageError: The text is not a date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as fault:
        raise UsageError("not a date", which="--date", expected="YYYY-MM-DD", got=repr(text)) from fault


def settings_of(home: Path | None, config: Path | None, changes: list[str] | None, **more: Any) -> Settings:
    """The settings of a command.

    A given home must exist: a typing mistake would create a new one.

    Raises:
        UsageError: The home is not a folder.
        ConfigError: See `load_settings`.
    """
    if home is not None and not home.is_dir():
        raise UsageError(
            "there is no such home",
            which="--home",
            got=str(home),
            todo="check the path, or run `ltrr policies init` first",
        )
    return load_settings(home, config, changes or (), **more)
