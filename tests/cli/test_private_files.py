"""Only the user that runs ltrr can read data of users; all can read what services load."""

import os
import stat

import pytest

from ltrr.artifacts.store import Store
from ltrr.cli.app import main
from ltrr.cli.doctor import check_private_files
from ltrr.config import PathSettings
from ltrr.errors import ConfigError


@pytest.fixture
def strict_umask():
    """The umask under which a command runs."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_a_new_home_lets_services_reach_policies_and_nothing_else(tmp_path, capsys):
    home = tmp_path / "home"
    before = os.umask(0o022)
    try:
        init = ["policies", "init", "--home", str(home), "--strategies", "a,b", "--history-starts", "2026-03-02"]
        assert main(init) == 0
        assert os.umask(0o022) == 0o022, "a command leaves the umask of its process as it was"
    finally:
        os.umask(before)
    published = [home / "policies", *(home / "policies").rglob("*")]
    assert {mode(path) for path in published if path.is_dir()} == {"0o755"}
    assert {mode(path) for path in published if path.is_file()} == {"0o644"}
    assert mode(home) == "0o711", "services pass through the home; they cannot list it"
    others = [path for path in home.rglob("*") if path not in published]
    assert others
    assert [path for path in others if path.stat().st_mode & 0o077] == []


def test_what_is_published_is_readable_whatever_the_umask(tmp_path, strict_umask):
    store = Store(tmp_path / "a" / "b")
    store.create("bundles/1/manifest.json", b"{}")
    store.copy("bundles/1/manifest.json", "bundles/2/manifest.json")
    made = list((tmp_path / "a").rglob("*"))
    assert {mode(path) for path in made if path.is_dir()} == {"0o755"}
    assert {mode(path) for path in made if path.is_file()} == {"0o644"}


def test_a_folder_that_the_operator_closed_stays_closed(tmp_path, strict_umask):
    closed = tmp_path / "policies"
    closed.mkdir()
    closed.chmod(0o750)
    Store(closed).create("search/current/1.json", b"{}")
    assert mode(closed) == "0o750"


def test_doctor_names_what_others_can_read(home):
    for name in ("logs", "tables"):
        (home / name).mkdir()
    (home / "tables").chmod(0o700)
    (home / "logs").chmod(0o755)
    with pytest.raises(ConfigError, match=rf"run `chmod o-rwx {home}/logs`$"):
        check_private_files(PathSettings(home=home))
    (home / "logs").chmod(0o750)
    assert check_private_files(PathSettings(home=home)) == "2 closed to other users"
