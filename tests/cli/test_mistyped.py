"""What a person mistypes is one clear error and exit code 2, never a traceback."""

from __future__ import annotations

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
