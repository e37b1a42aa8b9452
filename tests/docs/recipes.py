"""Applies the blocks of a how-to page to a copy of the repository, and runs the page's proof there.

`recipes.py PAGE...`, run in the copy, executes the proofs of the pages in one process. It prints
the output of each proof as JSON. Proofs on Spark share one session.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import runpy
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
COPIED = ("ltrr", "jobs", "conf", "airflow_dags")
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page: its language, its title and its text."""

    language: str
    title: str
    text: str


def recipe_names() -> list[str]:
    """Pages of recipes, sorted: those called `add-...` and every other page with a proof."""
    return sorted(
        page.name
        for page in PAGES.glob("*.md")
        if page.name.startswith("add-") or any(block.title.startswith("proof") for block in blocks_of(page))
    )


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    return [Block(*match) for match in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def steps_of(page: Path) -> list[Block]:
    """Blocks that change a file; their title is its path."""
    return [block for block in blocks_of(page) if "/" in block.title]


def proof_of(page: Path) -> tuple[str, bool, str]:
    """Program that proves that the recipe works, whether it needs Spark, and its output."""
    [proof] = [block for block in blocks_of(page) if block.title.startswith("proof")]
    [output] = [block for block in blocks_of(page) if block.title == "output"]
    return proof.text, proof.title == "proof, on Spark", output.text


def copy_repository(folder: Path) -> Path:
    """Copy the parts of the repository that recipes change."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def apply_step(step: Block, copy: Path) -> None:
    """Write a new file, or apply a diff whose lines must occur in the file exactly once."""
    file = copy / step.title
    if step.language != "diff":
        assert not file.exists(), f"{step.title}: the recipe writes a file that exists"
        file.parent.mkdir(exist_ok=True)
        file.write_text(step.text, encoding="utf-8")
        return
    lines = step.text.splitlines()
    before = [line[1:] for line in lines if not line.startswith("+")]
    text = file.read_text(encoding="utf-8").splitlines()
    found = [start for start in range(len(text)) if matches(before, text[start : start + len(before)])]
    shown = "\n".join(before)
    assert len(found) == 1, f"{step.title}: expected these lines once, found them {len(found)} times:\n{shown}"
    kept = iter(text[found[0] : found[0] + len(before)])
    after = []
    for line in lines:
        if line.startswith("+"):
            after.append(line[1:])
        elif line.startswith("-"):
            next(kept)
        else:
            after.append(next(kept))
    text[found[0] : found[0] + len(before)] = after
    file.write_text("\n".join(text) + "\n", encoding="utf-8")


def matches(pattern: list[str], lines: list[str]) -> bool:
    """Whether the lines are those of a diff; `...` at the end of a diff line matches any end."""
    if len(pattern) != len(lines):
        return False
    return all(
        line.startswith(shown.removesuffix("...")) if shown.endswith("...") else line == shown
        for shown, line in zip(pattern, lines, strict=True)
    )


def main(pages: list[str]) -> None:
    """Run the proofs of the pages in this process, in the copy as working directory."""
    names: dict[str, object] = {}
    if any(proof_of(PAGES / page)[1] for page in pages):
        from ltrr.spark.session import SparkSettings, build_session

        names["spark"] = build_session("ltrr-recipes", SparkSettings(master="local[2]", driver_memory="1g"))
    printed = {}
    for page in pages:
        program = Path(page).with_suffix(".py")
        program.write_text(proof_of(PAGES / page)[0], encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            runpy.run_path(str(program), init_globals=dict(names))
        printed[page] = stdout.getvalue()
    sys.stdout.write(json.dumps(printed))


if __name__ == "__main__":
    main(sys.argv[1:])
