"""The error about a missing extra names the extra and the command that installs it."""

import subprocess
import sys

import pytest

from ltrr.errors import ConfigError
from ltrr.simulation.lexical import bm25_ranking


def test_the_command_line_without_the_extra_batch_is_one_error():
    program = "import sys; sys.modules['typer'] = None; from ltrr.cli import main; sys.exit(main(['--help']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("ltrr: the command line needs a package that is not installed: typer; ")
    assert "pip install 'ltrr[batch]'" in line


def test_a_simulated_world_without_the_extra_worlds_is_one_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(ConfigError, match=r"bm25s; install the extra `worlds`: pip install 'ltrr\[batch,worlds\]'"):
        bm25_ranking(["blade runner"], ["runner"], limit=1)
