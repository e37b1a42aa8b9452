"""Links, files, pages, commands and options that pages and code name exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from ltrr.cli.app import app
from tests.docs.recipes import ROOT

READ_ON_GITHUB = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in READ_ON_GITHUB), *sorted((ROOT / "docs").rglob("*.md"))]
# Folders and files whose comments and messages name pages.
CODE = ("ltrr", "tests", "benchmarks", "jobs", "airflow_dags", "examples", "docs", "conftest.py", "Makefile")
_ROOTS = ("ltrr", "docs", "tests", "benchmarks", "conf", "jobs", "examples", "airflow_dags", "requirements")

BY_NAME = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def slug(heading: str) -> str:
    """Anchor of a heading on the site."""
    plain = re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower()).strip()
    return re.sub(r"[\s-]+", "-", plain)


@BY_NAME
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


@BY_NAME
def test_files_named_in_backticks_exist(page: Path) -> None:
    if page.name.startswith(("add-", "CHANGELOG")):
        return  # Recipes name files that they create, the changelog names files of the past.
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{'|'.join(_ROOTS)})/[\w./-]+\.\w+)`", text)
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


def test_pages_named_in_code_exist() -> None:
    listed = subprocess.run(["git", "ls-files", *CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    missing = []
    for name in listed.stdout.splitlines():
        file = ROOT / name
        if file.suffix in {".py", ".sh", ".yaml", ""} and file.exists():
            for page in re.findall(r"\bdocs/[\w/-]+\.md", file.read_text(encoding="utf-8")):
                missing += [f"{name}: {page}"] if not (ROOT / page).exists() else []
    assert missing == []


def options_of(command: Any) -> set[str]:
    return {name for option in command.params for name in getattr(option, "opts", ())} | {"--help"}


def commands(name: str, command: Any) -> dict[str, Any]:
    below = getattr(command, "commands", {})
    return {name: command} | {n: c for child in below for n, c in commands(f"{name} {child}", below[child]).items()}


@BY_NAME
def test_commands_and_options_exist(page: Path) -> None:
    """Every `ltrr ...` line of a code block names an existing command and its options."""
    known = commands("ltrr", typer.main.get_command(app))
    for block in re.findall(r"```(?:bash|)[^\n]*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            shown = re.match(r"(?:\$ )?(ltrr [^#]*)", line)
            if not shown or "COMMAND" in line:
                continue
            words = shown[1].split()
            name = max((" ".join(words[:length]) for length in (1, 2, 3) if " ".join(words[:length]) in known), key=len)
            assert name != "ltrr" or words[1:2] == ["[OPTIONS]"] or len(words) == 1, line
            named = {word.partition("=")[0].strip("[]") for word in words if word.lstrip("[").startswith("--")}
            assert named <= options_of(known[name]) | options_of(known["ltrr"]), line


def test_every_make_target_that_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, page


def test_the_readme_names_the_commands_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"make {target} " in readme for target in ("demo", "test", "test-long"))


def test_the_site_loads_nothing_from_elsewhere() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert settings["plugins"] == ["search"]
    assert "extra_javascript" not in settings
    assert all(value == "warn" for group in settings["validation"].values() for value in group.values())
