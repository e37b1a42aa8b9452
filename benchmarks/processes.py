"""Runs benchmark modules in separate processes, with this Python or another one."""

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
    """Run `python -m module` from the root of the repository; return its standard output.

    The repository need not be installed for the interpreter.

    Args:
        module: Full name, such as benchmarks.vw_speed.
        arguments: Arguments of the module; paths are absolute.
        python: Interpreter; a relative path counts from the current folder.
        environment: Additions to the environment.

    Raises:
        subprocess.CalledProcessError: The exit code is not 0.
    """
    # Path.absolute, not resolve: the link to an interpreter identifies its virtual environment.
    command = [str(Path(python).absolute()), "-m", module, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    return done.stdout


def figures_of_module(module: str, *arguments: object, **how: Any) -> dict[str, Any]:
    """Run a module (see `run_module`); return the JSON object in its last line of output."""
    return json.loads(run_module(module, *arguments, **how).splitlines()[-1])
