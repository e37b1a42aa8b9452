"""An installation of the wheel of this checkout, in an environment without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

# Variables through which a command could find this checkout or another Spark.
HIDDEN = ("PYTHONPATH", "PYTHONHOME", "SPARK_HOME", "PYSPARK_PYTHON", "LTRR_PROJECT", "LTRR_DEBUG", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Installation:
    """An installation of the wheel.

    Attributes:
        programs: Folder of `python` and `ltrr`.
        packages: Folder that holds the package `ltrr`.
        folder: Empty working folder of every command.
    """

    programs: Path
    packages: Path
    folder: Path

    def run(self, program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the installation in the working folder."""
        environment = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        environment |= {"LTRR_USER_KEY_SECRET": "of this test, and long enough", **variables}
        command = [str(self.programs / program), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=3000, check=False
        )

    def ltrr(self, *arguments: str, **variables: str) -> str:
        """Run a command of `ltrr`, which must succeed; return its output."""
        done = self.run("ltrr", *arguments, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout


def build_wheel(into: Path) -> Path:
    """Build the wheel with the tools that are installed here, without the network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    built = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    [wheel] = into.glob("ltrr-*.whl")
    return wheel


def install_wheel(wheel: Path, into: Path) -> Installation:
    """Install the wheel into a new environment that uses all other packages of this one.

    A line of a `.pth` file adds a folder to the path and runs no `.pth` file of that folder.
    Therefore the editable installation of the checkout is not on the path.
    """
    environment, folder = into / "environment", into / "empty"
    folder.mkdir(parents=True)
    venv.create(environment, symlinks=True)
    variables = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", "venv", variables))
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n", encoding="utf-8")
    # Sentence vectors of a whole world take minutes. Without them, a world uses pieces of words.
    (packages / "sitecustomize.py").write_text('import sys\nsys.modules["onnxruntime"] = None\n', encoding="utf-8")
    programs = Path(sysconfig.get_path("scripts", "venv", variables))
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Installation(programs, packages, folder)
