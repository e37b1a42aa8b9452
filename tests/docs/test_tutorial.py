"""The blocks of the tutorial run in their order, in one shell and an empty folder."""

from __future__ import annotations

import doctest
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.recipes import ROOT, Block, blocks_of

PAGE = ROOT / "docs" / "tutorial.md"
DATA = Path(os.environ.get("LTRR_UBI_DATA") or ROOT.parent / "shared" / "data" / "ubi")
LOG = DATA / "queries_events.ndjson.gz"
SAMPLE = "run with the sample"
MARK = "=== block {} ==="
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def as_script(blocks: list[Block]) -> str:
    """Bash script of all blocks; Python blocks are the input of Python."""
    parts = ["set -euo pipefail"]
    for number, block in enumerate(blocks):
        parts.append(f'echo "{MARK.format(number)}"')
        if block.title in {"run", SAMPLE}:
            parts.append(block.text if block.language == "bash" else f"python - <<'PYTHON'\n{block.text}PYTHON")
    return "\n".join(parts)


def run_blocks(blocks: list[Block], folder: Path) -> None:
    """Run the blocks in an empty folder and compare their output with the page."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", as_script(blocks)],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = done.stdout
    for number, block in enumerate(blocks):
        if block.title == "output":
            got = printed.partition(MARK.format(number - 1) + "\n")[2].partition("=== block")[0]
            assert doctest.OutputChecker().check_output(block.text, got, _FLAGS), got


def blocks_of_the_tutorial() -> list[Block]:
    return [block for block in blocks_of(PAGE) if block.title in {"run", "output"}]


def test_every_block_is_run_or_compared() -> None:
    assert [block for block in blocks_of(PAGE) if block.title not in {"run", "output", SAMPLE}] == []


@pytest.mark.slow
def test_the_tutorial_up_to_the_first_night(tmp_path: Path) -> None:
    blocks = blocks_of_the_tutorial()
    night = next(number for number, block in enumerate(blocks) if "ltrr nightly" in block.text)
    run_blocks(blocks[:night], tmp_path)


@pytest.mark.spark
@pytest.mark.own_process
@pytest.mark.long
def test_the_whole_tutorial(tmp_path: Path) -> None:
    run_blocks(blocks_of_the_tutorial(), tmp_path)


@pytest.mark.spark
@pytest.mark.own_process
@pytest.mark.long
@pytest.mark.skipif(not LOG.exists(), reason=f"no UBI data in {DATA}: set LTRR_UBI_DATA")
def test_the_sample_log_of_the_tutorial(tmp_path: Path) -> None:
    (tmp_path / "ubi_queries_events.ndjson").write_bytes(gzip.decompress(LOG.read_bytes()))
    run_blocks([block for block in blocks_of(PAGE) if block.title == SAMPLE], tmp_path)
