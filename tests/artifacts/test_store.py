"""Objects are complete or absent, and never written twice."""

import threading
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from ltrr.artifacts.payloads import Payload, get_payload, put_payload
from ltrr.artifacts.store import Store
from ltrr.errors import ArtifactError, ConfigError


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "file" else f"memory://{tmp_path.name}/store"


def test_a_second_create_fails_and_changes_nothing(url: str) -> None:
    store = Store(url)
    store.create("a/b.json", b"first")
    with pytest.raises(FileExistsError):
        store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"
    assert store.names("a") == ["b.json"]
    store.copy("a/b.json", "c.json")
    with pytest.raises(FileExistsError):
        store.copy("a/b.json", "c.json")
    assert store.read("c.json") == b"first"
    with pytest.raises(FileNotFoundError):
        store.read("a/none")


def test_the_check_at_start_up_leaves_no_object(url: str) -> None:
    Store(url).prove_exclusive()
    assert Store(url).names() == []


class Overwriting(MemoryFileSystem):
    """An object store that ignores the condition, as old gateways do."""

    protocol = "overwriting"
    store: dict[str, object] = {}  # noqa: RUF012 - fsspec's own layout

    def pipe_file(self, path, value, mode="overwrite", **kwargs) -> None:
        assert mode in ("overwrite", "create")
        super().pipe_file(path, value, mode="overwrite", **kwargs)


def test_a_store_that_overwrites_is_refused() -> None:
    fsspec.register_implementation("overwriting", Overwriting, clobber=True)
    with pytest.raises(ConfigError, match="second create"):
        Store("overwriting://policies").prove_exclusive()


def test_many_writers_one_winner_no_torn_reader(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create("x/seed", b"")
    won: list[int] = []
    torn: list[int] = []
    start = threading.Barrier(5)

    def write(writer: int) -> None:
        start.wait()
        for name in range(20):
            try:
                store.create(f"x/{name}", bytes([writer]) * 100_000)
                won.append(name)
            except FileExistsError:
                continue

    def read() -> None:
        start.wait()
        for _ in range(30):
            for name in store.names("x"):
                data = store.read(f"x/{name}")
                if name != "seed" and (len(data) != 100_000 or len(set(data)) != 1):
                    torn.append(len(data))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(20))
    assert torn == []


def test_payloads_are_named_by_content_and_verified(tmp_path: Path) -> None:
    first = put_payload(tmp_path, b"model")
    assert put_payload(tmp_path, b"model") == first == Payload.of(b"model")
    assert get_payload(tmp_path, first.sha256) == b"model"
    (tmp_path / first.path).write_bytes(b"m0del")
    with pytest.raises(ArtifactError, match="not what its manifest says"):
        get_payload(tmp_path, first.sha256)
    with pytest.raises(ArtifactError):
        put_payload(tmp_path, b"model")
    with pytest.raises(ArtifactError, match="a payload is missing"):
        get_payload(tmp_path, Payload.of(b"other").sha256)
