"""A mistyped option is one clear error and exit code 2, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltrr.cli.app import main


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["doctor", "--nonsense"], "No such option: --nonsense"),
        (["tables", "show"], "Missing argument"),
        (["nonsense"], "No such command 'nonsense'"),
        (["nightly", "--date", "x"], "expected YYYY-MM-DD, got 'x'"),
    ],
)
def test_a_mistyped_command_is_the_users_mistake(typed: list[str], said: str, capsys: pytest.CaptureFixture) -> None:
    assert main(typed) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("home", ["s3://bucket/home", "gs://bucket", "file:///tmp/home"])
@pytest.mark.parametrize(
    "typed",
    [
        ["nightly", "--date", "2026-03-02"],
        ["policies", "init", "--strategies", "a,b", "--history-starts", "2026-03-02"],
        ["demo"],
        ["simulate", "--date", "2026-03-02"],
        ["tables", "list"],
        ["doctor"],
    ],
)
def test_a_home_that_is_a_url_is_refused_and_no_folder_is_named_after_it(
    typed: list[str], home: str, capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LTRR_DEBUG", raising=False)
    assert main([*typed, "--home", home]) == 2
    assert f"paths.home: expected a path such as /data/ltrr, got {home}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
