"""Every recipe of docs/how-to works on a copy of the repository, as its page shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.recipes import PAGES, ROOT, apply_step, copy_repository, proof_of, recipe_names, steps_of

RECIPES = recipe_names()
WITH_SPARK = [name for name in RECIPES if proof_of(PAGES / name)[1]]
WITHOUT_SPARK = [name for name in RECIPES if name not in WITH_SPARK]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with all recipes applied together."""
    folder = copy_repository(tmp_path_factory.mktemp("repository"))
    for name in RECIPES:
        for step in steps_of(PAGES / name):
            apply_step(step, folder)
    return folder


def run_proofs(copy: Path, names: list[str]) -> dict[str, str]:
    """Output of each proof, run in the copy by one process."""
    path = os.pathsep.join([str(copy), str(ROOT)])
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "docs" / "recipes.py"), *names],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.index("{") :])


@pytest.fixture(scope="module")
def printed(copy: Path) -> dict[str, str]:
    return run_proofs(copy, WITHOUT_SPARK)


@pytest.fixture(scope="module")
def printed_with_spark(copy: Path) -> dict[str, str]:
    return run_proofs(copy, WITH_SPARK)


@pytest.mark.parametrize("name", WITHOUT_SPARK)
def test_the_proof_prints_what_the_page_shows(name: str, printed: dict[str, str]) -> None:
    assert printed[name] == proof_of(PAGES / name)[2]


@pytest.mark.spark
@pytest.mark.own_process
@pytest.mark.parametrize("name", WITH_SPARK)
def test_the_proof_on_spark_prints_what_the_page_shows(name: str, printed_with_spark: dict[str, str]) -> None:
    assert printed_with_spark[name] == proof_of(PAGES / name)[2]


def test_the_code_of_the_recipes_is_formatted(copy: Path) -> None:
    changed = sorted({step.title for name in RECIPES for step in steps_of(PAGES / name) if step.title.endswith(".py")})
    for check in (["format", "--check"], ["check"]):
        command = [
            sys.executable,
            "-m",
            "ruff",
            *check,
            "--quiet",
            "--no-cache",
            "--config",
            str(ROOT / "pyproject.toml"),
        ]
        done = subprocess.run([*command, *changed], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_changes_at_most_two_files_or_gives_a_reason(name: str) -> None:
    files = {step.title for step in steps_of(PAGES / name)}
    text = (PAGES / name).read_text(encoding="utf-8")
    assert files
    assert len(files) <= 2 or "Why more than two files:" in text


def test_every_recipe_is_in_the_list_of_recipes() -> None:
    section = (PAGES / "index.md").read_text(encoding="utf-8").partition("## Extend it")[2]
    listed = re.findall(r"\(([\w-]+\.md)\)", section)
    assert sorted(listed) == RECIPES
