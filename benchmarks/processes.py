"""Benchmark modules in processes of their own, by this Python or another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def run_module(
    module: str, *arguments: object, python: Path | str = sys.executable, environment: Mapping[str, str] | None = None
) -> str:
    """Run `python -m module` from the repository's root, which need not be installed there; return what it prints.

    Args:
        module: full name, such as benchmarks.vw_speed.
        arguments: paths among them are absolute.
        python: an interpreter; a relative path counts from the current folder.
        environment: additions to the environment.

    Raises:
        subprocess.CalledProcessError: where it exits with another code than 0.
    """
    # Path.absolute, not resolve: the link to an interpreter identifies its virtual environment.
    command = [str(Path(python).absolute()), "-m", module, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    return done.stdout


def figures_of_module(module: str, *arguments: object, **how: Any) -> dict[str, Any]:
    """Figures that a module prints as JSON in its last line; see `run_module`."""
    return json.loads(run_module(module, *arguments, **how).splitlines()[-1])
