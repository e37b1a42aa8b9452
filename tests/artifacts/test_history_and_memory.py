"""History and memory of a bundle: equal content gives equal bytes, invalid files are refused."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltrr.artifacts.history import QueryHistories
from ltrr.artifacts.memory_part import MemoryEntry, MemoryPart, memory_part_bytes
from ltrr.core.planning import History
from ltrr.core.plans import PlanSpace
from ltrr.errors import ArtifactError, UsageError

SPACE = PlanSpace(("title", "memory"), block_size=2, budget=2)
entities = st.dictionaries(st.text(min_size=1, max_size=5), st.floats(0, 1, width=32), min_size=1, max_size=6)


@given(st.dictionaries(st.text(max_size=6), entities, max_size=8), st.data())
def test_a_memory_is_read_back(memory: dict[str, dict[str, float]], data: st.DataObject) -> None:
    memory = {key: value for key, value in memory.items() if key.isprintable() and "".join(value).isprintable()}
    rows = [(key, list(pairs.items())) for key, pairs in memory.items()]
    written = memory_part_bytes(rows)
    assert written == memory_part_bytes(data.draw(st.permutations(rows)))
    part = MemoryPart.of_bytes(written)
    assert len(part) == len(memory)
    for key, pairs in memory.items():
        assert part.recall(key, 100) == sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
        assert part.recall(key, 2) == part.recall(key, 100)[:2]
    assert part.recall("an unknown query", 5) == []


def test_an_old_part_without_evidence_is_read() -> None:
    entries = [MemoryEntry("e1", 0.5, 1.5, 3.0), MemoryEntry("e2", 0.75)]
    written = memory_part_bytes([("love", entries)])
    assert MemoryPart.of_bytes(written).evidence("love") == {"e1": (1.5, 3.0)}
    with np.load(io.BytesIO(written)) as arrays:
        before = {name: arrays[name] for name in arrays.files if name not in ("clicks", "examinations")}
    file = io.BytesIO()
    np.savez(file, **before)
    old = MemoryPart.of_bytes(file.getvalue())
    assert old.evidence("love") == {}
    assert old.recall("love", 5) == MemoryPart.of_bytes(written).recall("love", 5) == [("e2", 0.75), ("e1", 0.5)]


def test_bytes_do_not_depend_on_the_clock() -> None:
    archive = zipfile.ZipFile(io.BytesIO(memory_part_bytes([("love", [("e1", 0.5)])])))
    assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_invalid_memories_are_refused() -> None:
    with pytest.raises(UsageError, match="repeated"):
        memory_part_bytes([("love", [("e1", 0.5)]), ("love", [("e2", 0.5)])])
    with pytest.raises(UsageError, match="not finite"):
        memory_part_bytes([("love", [("e1", float("nan"))])])
    for junk in (b"", b"PK\x03\x04junk", memory_part_bytes([])[:-40]):
        with pytest.raises(ArtifactError, match="not a part of a memory"):
            MemoryPart.of_bytes(junk)


def test_no_pickle_is_ever_loaded() -> None:
    file = io.BytesIO()
    np.savez(file, query_text=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ArtifactError):
        MemoryPart.of_bytes(file.getvalue())


def test_a_history_of_other_strategies_is_refused() -> None:
    histories = QueryHistories.prior(SPACE)
    assert QueryHistories.of_bytes(histories.to_bytes(), SPACE).to_bytes() == histories.to_bytes()
    with pytest.raises(ArtifactError, match="other strategies"):
        QueryHistories.of_bytes(histories.to_bytes(), PlanSpace(("memory", "title"), 2, 2))
    for junk in (b"", b"{}", b"[]", histories.to_bytes().replace(b"0.45", b"-0.45")):
        with pytest.raises(ArtifactError, match="not a history"):
            QueryHistories.of_bytes(junk, SPACE)
    with pytest.raises(UsageError):
        QueryHistories(SPACE, History(np.full((2, 2), np.inf), np.zeros((2, 2)))).to_bytes()
