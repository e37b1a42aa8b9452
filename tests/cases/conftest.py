"""Fixtures of the cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cases.commands import Said


@pytest.fixture
def said(spark: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """Exit code, stdout and stderr of `ltrr ope` in the folder of the test."""
    from ltrr.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["ope", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run
