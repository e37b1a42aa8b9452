"""docs/how-to/judge-a-log.md names each estimator, format and option of `ltrr ope`."""

import re
from pathlib import Path

import typer

from ltrr.cli.app import app
from ltrr.estimation.estimators import ESTIMATORS
from ltrr.ope.formats import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "judge-a-log.md").read_text()
ELSEWHERE = {"--config", "--help"}


def test_every_estimator_and_format_is_explained() -> None:
    table = PAGE.partition("## The estimators")[2].partition("**Choose one")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(ESTIMATORS)
    assert all(f"`{name}`" in PAGE for name in FORMATS)


def test_every_option_is_explained() -> None:
    command = typer.main.get_command(app).commands["ope"]
    options = {name for option in command.params for name in option.opts if name.startswith("--")}
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert named <= options
    assert options - named - ELSEWHERE == set()
