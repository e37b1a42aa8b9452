"""A policy is published to a file system of a user's own, if that has an exclusive create."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest

from ltrr.artifacts.bundle import current, move_pointer, publish_bundle, uniform_bundle, versions
from ltrr.artifacts.pointer import Canary, pointers
from ltrr.artifacts.record_checks import check_decision_record
from ltrr.artifacts.store import Store
from ltrr.core.situation import Situation
from ltrr.errors import ConfigError
from ltrr.serving import Policy
from tests.artifacts.bundles import FIELDS, SETTINGS, drawn_of, learned_bundle, looks_of
from tests.docs.recipes import PAGES, ROOT, blocks_of

BEGUN = "2026-03-03T09:00:00.000+00:00"


class Shelf(fsspec.AbstractFileSystem):
    """Files in a dictionary, with only the methods that publish-elsewhere.md asks for."""

    protocol = "shelf"
    contents: ClassVar[dict[str, bytes]] = {}
    lock = threading.Lock()

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        with self.lock:
            if mode == "create" and path in self.contents:
                raise FileExistsError(path)
            self.contents[path] = value

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        if path not in self.contents:
            raise FileNotFoundError(path)
        return self.contents[path][start:end]

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        below = [name.removeprefix(f"{path}/") for name in self.contents if name.startswith(f"{path}/")]
        if not below:
            raise FileNotFoundError(path)
        kinds = {name.partition("/")[0]: "directory" if "/" in name else "file" for name in below}
        entries = [{"name": f"{path}/{name}", "size": None, "type": kind} for name, kind in kinds.items()]
        return entries if detail else [entry["name"] for entry in entries]

    def _rm(self, path: str) -> None:
        del self.contents[path]


class Blackboard(Shelf):
    """The same without an exclusive create: the last writer wins."""

    protocol = "blackboard"
    contents: ClassVar[dict[str, bytes]] = {}

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        self.contents[path] = value


@pytest.fixture(autouse=True)
def registered() -> None:
    for kind in (Shelf, Blackboard):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
        kind.contents.clear()


def test_a_policy_is_published_to_another_file_system_and_served_from_it() -> None:
    root = "shelf://policies"
    champion = publish_bundle(root, "search", *uniform_bundle(SETTINGS, date(2026, 3, 1)))
    move_pointer(root, "search", champion)
    challenger = publish_bundle(root, "search", *learned_bundle())
    assert versions(root, "search") == [champion, challenger]

    served = Policy.load(f"{root}/search")
    assert (served.version, served.canary) == (champion, None)
    move_pointer(root, "search", champion, canary=Canary(challenger, 0.25, BEGUN))
    assert served.reload()
    by_side = {served.for_user(f"user-{n}").version: f"user-{n}" for n in range(40)}
    assert by_side.keys() == {champion, challenger}
    for version, user in by_side.items():
        assert record_of(served.for_user(user), user)["policy_version"] == version

    move_pointer(root, "search", challenger, why="the canary won")
    assert served.reload()
    assert (served.version, served.canary) == (challenger, None)
    assert current(root, "search") == challenger
    assert [pointer.sequence for pointer in pointers(root, "search")] == [1, 2, 3]


def record_of(policy: Policy, user: str) -> dict[str, Any]:
    looks = looks_of(1)
    choice = policy.plan("love", looks, seed=f"i-{user}", fields=FIELDS)
    drawn = drawn_of(choice.blocks, looks)
    record = policy.record(
        impression_id=f"i-{user}",
        situation=Situation(datetime(2026, 3, 3, 12, tzinfo=UTC)),
        query_text="love",
        user=user,
        session="s",
        looks=looks,
        choice=choice,
        drawn=drawn,
        slate=policy.rank("love", drawn).top(4),
        fields=FIELDS,
    )
    assert check_decision_record(record) == []
    return record


def test_a_taken_name_is_refused_and_its_file_stays() -> None:
    store = Store("shelf://policies/search")
    store.create("current/00000001.json", b"first")
    with pytest.raises(FileExistsError):
        store.create("current/00000001.json", b"first")
    assert store.read("current/00000001.json") == b"first"


def test_a_file_system_that_overwrites_is_refused_before_anything_is_written() -> None:
    refused = (
        r"the store overwrites existing objects: blackboard://policies/search: expected an exclusive create, "
        r"got a second create of the same name succeeded; publish to a file system or object store with conditional"
    )
    with pytest.raises(ConfigError, match=refused) as raised:
        publish_bundle("blackboard://policies", "search", *learned_bundle())
    assert raised.value.exit_code == 2
    assert Blackboard.contents == {}
    # The same for a pointer to a bundle that somehow is there.
    Blackboard.contents["policies/search/2026-03-02-0123456789ab/manifest.json"] = b"{}"
    with pytest.raises(ConfigError, match=refused):
        move_pointer("blackboard://policies", "search", "2026-03-02-0123456789ab")
    assert list(Blackboard.contents) == ["policies/search/2026-03-02-0123456789ab/manifest.json"]


def test_a_command_finds_the_file_system_of_the_page_by_its_entry_point(tmp_path: Path) -> None:
    """The package of publish-elsewhere.md, installed as its pyproject.toml says, serves a home."""
    blocks = {block.title: block.text for block in blocks_of(PAGES / "publish-elsewhere.md")}
    packages, home = tmp_path / "packages", tmp_path / "home"
    write(packages / "database_files" / "__init__.py", blocks["database_files/__init__.py"])
    [settings] = [block.text for block in blocks_of(PAGES / "publish-elsewhere.md") if block.language == "yaml"]
    [(group, name, value)] = re.findall(r'\[project\.entry-points\."(.+)"\]\n(\w+) = "(.+)"', blocks["pyproject.toml"])
    installed = packages / "database_files-1.dist-info"
    write(installed / "METADATA", "Metadata-Version: 2.1\nName: database-files\nVersion: 1\n")
    write(installed / "entry_points.txt", f"[{group}]\n{name} = {value}\n")
    policy = "policy: {name: search, strategies: [title, memory], block_size: 2, budget: 3}\n"
    write(home / "ltrr.yaml", f"{settings}history_starts: 2026-03-02\n{policy}")

    run(packages, tmp_path, "from ltrr.cli import main; main()", "policies", "init", "--home", str(home))
    assert not (home / "policies").exists()
    load = "from ltrr.serving import Policy; print(Policy.load('database://policies/search').version)"
    assert run(packages, tmp_path, load).startswith("2026-03-01-")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def run(packages: Path, folder: Path, program: str, *arguments: str) -> str:
    """Output of a program in a process of its own, with the packages installed."""
    changes = {
        "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]),
        "FSSPEC_DATABASE_FILE": str(folder / "policies.db"),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
