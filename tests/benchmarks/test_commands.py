"""Every benchmark imports, and its documented commands start."""

from __future__ import annotations

import doctest
import importlib
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import command_line

BENCHMARKS = Path(command_line.__file__).parent
ROOT = BENCHMARKS.parent
NEEDS_OBP = {"ope_obd_reference", "ope_speed_reference", "open_bandit_pipeline"}
"""Modules that run in their own environment, with a package that is not installed here."""

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in BENCHMARKS.rglob("*.py")
    if path.stem not in NEEDS_OBP
)
COMMANDS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES)
def test_module_imports(module) -> None:
    assert importlib.import_module(module).__doc__


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - NEEDS_OBP))
def test_command_shows_its_help(name, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
    assert stopped.value.code == 0
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["benchmarks/gate.py"], ["-m", "benchmarks.gate"]], ids=["script", "module"])
def test_both_ways_to_start_a_benchmark_work(command) -> None:
    done = subprocess.run([sys.executable, *command, "--help"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "--streams" in done.stdout


@pytest.mark.parametrize("name", ["ope_obd_reference", "ope_speed_reference"])
def test_reference_starts_with_a_replacement_of_its_package(name, tmp_path) -> None:
    for module in ("obp/__init__.py", "obp/dataset.py", "obp/policy.py"):
        path = tmp_path / module
        path.parent.mkdir(exist_ok=True)
        path.write_text("def __getattr__(name):\n    return object()\n")
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""},
    )
    assert "--largest-weight" in done.stdout


def test_bars_and_exit_code() -> None:
    assert doctest.testmod(command_line).failed == 0
    assert command_line.report_bars({"one": True}) == 0


def test_files_are_written_only_where_a_path_is_given(tmp_path) -> None:
    command_line.write_json(None, {"value": 1})
    command_line.write_rows(tmp_path / "rows.json", [{"value": 1}, {"value": 2}])
    command_line.write_json(tmp_path / "all.json", {"value": 1})
    assert (tmp_path / "rows.json").read_text() == '{"value": 1}\n{"value": 2}\n'
    assert (tmp_path / "all.json").read_text() == '{\n "value": 1\n}\n'
