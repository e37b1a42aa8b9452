"""Rows in = kept + waiting + rejected, for any mixture of lines."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltrr.logs.secret import SECRET_VARIABLE
from ltrr.pipelines.ingest_logs import Intake
from tests.logs.log_lines import NIGHT, as_bytes, event, noon, record, write_folder, wrong_lines
from tests.pipelines.ingest_nights import SECRET, Home

pytestmark = [pytest.mark.spark, pytest.mark.statistical]

MAKERS = [
    lambda n: as_bytes(record(n)),
    lambda n: as_bytes(event(n)),
    lambda n: as_bytes(event(n, event_id="one-id-for-all")),
    lambda n: as_bytes(record(n, impression_id="one-id-for-all")),
    lambda n: as_bytes(event(n, event_id=f"o{n}", at=noon(minutes=700))),
    lambda n: as_bytes(event(n, event_id=f"x{n}", entity=9)),
    *(lambda n, kind=kind: wrong_lines(n)[kind] for kind in sorted(wrong_lines(0))),
]


@settings(max_examples=3, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(MAKERS) - 1), st.integers(0, 9)), min_size=20, max_size=120),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_any_mixture_of_lines_balances(spark, tmp_path_factory, picks, files: int, shuffled: random.Random) -> None:
    lines = [MAKERS[maker](number) for maker, number in picks]
    shuffled.shuffle(lines)
    home: Path = tmp_path_factory.mktemp("mixture")
    house = Home(spark, home, NIGHT)
    write_folder(house.logs, NIGHT, {f"mixed-{n}.ndjson": lines[n::files] for n in range(files)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET_VARIABLE, SECRET)
        intake = Intake(house.night(NIGHT))
        counts = intake.count_outcomes()
        rejected = intake.rejected_rows.select("source", "offset").collect()
    spark.catalog.clearCache()
    assert counts.lines == len(lines)
    assert counts.lines == counts.impressions + counts.joined + counts.waiting + sum(counts.rejected.values())
    assert len(set(rejected)) == len(rejected) == sum(counts.rejected.values())


def test_many_repeated_ids_are_rejected_like_few(spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few ids, places and lines are sent to each task; many are shuffled."""
    rng = random.Random(4)
    lines = [MAKERS[rng.randrange(len(MAKERS))](rng.randrange(10)) for _ in range(150)]
    house = Home(spark, tmp_path, NIGHT)
    write_folder(house.logs, NIGHT, {"mixed.ndjson": lines})
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    found = []
    for most in (200_000, -1):
        monkeypatch.setattr("ltrr.pipelines.ingest_logs.FEW", most)
        monkeypatch.setattr("ltrr.spark.reused.FEW", most)
        found.append(sorted(map(str, Intake(house.night(NIGHT)).rejected_rows.collect())))
        spark.catalog.clearCache()
    assert found[0] == found[1]
    assert sum("'duplicate'" in row for row in found[0]) > 9
