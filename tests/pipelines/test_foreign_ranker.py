"""`train_ranker` on a log of another system: what it learns, says, and leaves to the gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.payloads import get_payload
from ltrr.clicks.correction import with_examination
from ltrr.config import Settings
from ltrr.errors import ConfigError
from ltrr.memory.evidence import to_daily_evidence
from ltrr.memory.rollup import to_weeks
from ltrr.pipelines import train_ranker
from ltrr.ranking.settings import RankerSettings
from ltrr.spark.columns import conform, empty
from ltrr.tables.catalog import table
from tests.ranking.foreign_log import FIRST, PAGE, curve_of, foreign_pages, frame_of, wanted_of

pytestmark = pytest.mark.spark

DAYS, WINDOW = 9, 2
POLICY = PolicySettings("search", ("search", "memory"), block_size=4, budget=3)
TITLED = replace(POLICY, ranker_groups=("listings", "query", "strategies", "overlaps"))
RANKER = RankerSettings(window_nights=WINDOW, trees=15, max_depth=3, min_queries=20)


class Tracked:
    """What the job reports to MLflow."""

    run_id = "run"

    def __init__(self) -> None:
        self.seen: dict[str, object] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def tags(self, given):
        self.seen |= given

    metrics = params = tags

    def artifact_bytes(self, name, content):
        self.seen[name] = content

    artifact_json = artifact_bytes


@pytest.fixture(scope="module")
def frames(_session):
    slates = frame_of(_session, foreign_pages(DAYS, 450)).cache()
    curve = curve_of(_session, FIRST + timedelta(days=DAYS))
    daily = conform(to_daily_evidence(with_examination(slates, curve)), table("q2e_daily")).cache()
    weeks = conform(to_weeks(daily, 30.0), table("q2e_rollup")).cache()
    entities = [
        ("cat", f"e{query}-{place}", f"query {query}" if place == wanted_of(query) else "other", *[None] * 5)
        for query in range(150)
        for place in range(PAGE)
    ]
    unlogged = {name: empty(_session, table(name)) for name in ("impressions", "limited_users")}
    return {
        "slate_rows": slates,
        "examination": curve,
        "q2e_daily": daily,
        "q2e_rollup": weeks,
        "entities": _session.createDataFrame(entities, empty(_session, table("entities")).schema),
        **unlogged,
    }


def run_job(frames, root, policy=POLICY, ranker=RANKER, **given):
    """The job of the night after the last date; returns its notes, reports and rows."""
    settings = Settings(policy=policy, history_starts=FIRST, ranker=ranker, **given)
    dates = [FIRST + timedelta(days=number) for number in range(DAYS)]
    written, notes, tracked = {}, {}, Tracked()

    def write(name, rows, _where):
        written[name] = conform(rows, table(name)).cache()

    night = SimpleNamespace(
        date=dates[-1] + timedelta(days=1),
        job="train_ranker",
        settings=settings,
        policies_root=str(root),
        spark=frames["slate_rows"].sparkSession,
        read=frames.__getitem__,
        read_written=written.__getitem__,
        read_own_previous=lambda _name: frames["slate_rows"].where("false"),
        write=write,
        note=lambda **values: notes.update(values),
        previous_notes_of=lambda _kind: None,
        closed_dates=lambda last=None: dates[-(last or len(dates)) :],
        tracking=SimpleNamespace(run=lambda _job: tracked),
    )
    train_ranker.run(night)
    return notes, tracked.seen, written["ranking_rows"]


@pytest.mark.long
@pytest.mark.statistical
def test_the_memory_beats_the_order_that_the_log_shows_and_the_notes_name_that_order(frames, tmp_path):
    notes, seen, rows = run_job(frames, tmp_path)
    error = (notes["dcg_over_shown_high"] - notes["dcg_over_shown_low"]) / (2 * 1.96)
    assert notes["dcg_over_shown"] > 6 * error > 0
    assert (notes["ranker_basis"], seen["compared_with"], seen["ranker_basis"]) == ("known", "shown", "known")
    assert "dcg_fusion" not in notes
    assert "that of the order that the log shows" in notes["ranker_why"]
    assert notes["ranker_why"].endswith("rests on 1 / position")
    assert seen["dcg_shown"] == notes["dcg_shown"]
    assert get_payload(f"{tmp_path}/search", notes["ranker_sha256"]) == seen["ranker.ubj"]
    # Whole pages of the window, without features but with the list of the memory.
    assert rows.where("size(features) > 0 OR overlap IS NOT NULL").count() == 0
    assert rows.groupBy("log_date", "impression_id").count().where(f"count != {PAGE}").count() == 0
    # Only the wanted entity of a query is ever clicked, so the memory lists one.
    best = rows.where("memory_rank IS NOT NULL").select("query_key", "entity_id", "memory_rank").distinct().collect()
    assert {(row.entity_id, row.memory_rank) for row in best} == {
        (f"e{query}-{wanted_of(query)}", 1) for query in {int(row.query_key.split()[1]) for row in best}
    }


@pytest.mark.statistical
@pytest.mark.long
def test_titles_order_queries_that_nobody_searched_before(frames, tmp_path):
    """Without evidence, entities differ by the catalogue only."""
    forgotten = frames | {name: frames[name].where("false") for name in ("q2e_daily", "q2e_rollup")}
    notes, _, rows = run_job(forgotten, tmp_path, TITLED, catalogue="cat")
    assert rows.where("memory_rank IS NOT NULL OR overlap IS NULL").count() == 0
    error = (notes["dcg_over_shown_high"] - notes["dcg_over_shown_low"]) / (2 * 1.96)
    assert notes["dcg_over_shown"] > 6 * error > 0
    with pytest.raises(ConfigError, match=r"does not have the catalogue: .*expected cat, got dog"):
        run_job(forgotten, tmp_path, TITLED, catalogue="dog")


@pytest.mark.long
def test_a_log_with_too_few_clicked_queries_says_so_and_trains_nothing(frames, tmp_path):
    few = RankerSettings(window_nights=WINDOW, min_queries=1_000)
    notes, seen, rows = run_job(frames, tmp_path, ranker=few)
    assert "ranker_sha256" not in notes
    assert "ranker.ubj" not in seen
    assert "ranker.min_queries is 1000" in notes["ranker_why"]
    clicked = rows.where("gain > 0 AND user_fold >= 30").select("query_key").distinct().count()
    trained = int(notes["ranker_why"].partition("0 with logged features, ")[2].partition(" without")[0])
    assert 0 < trained < clicked
    # Without a memory among the strategies nothing differs within a page.
    notes, *_ = run_job(frames, tmp_path, PolicySettings("search", ("search", "other")))
    assert "(0 with logged features;" in notes["ranker_why"]


@pytest.mark.long
def test_evidence_of_the_date_itself_changes_no_row_of_it(frames, tmp_path):
    untrained = RankerSettings(window_nights=1, min_queries=100_000)
    last = FIRST + timedelta(days=DAYS - 1)
    cut = frames | {"q2e_daily": frames["q2e_daily"].where(f"log_date < DATE'{last}'")}
    rows, without = (
        {tuple(row) for row in run_job(given, tmp_path, ranker=untrained)[2].drop("features").collect()}
        for given in (frames, cut)
    )
    assert rows == without
    assert any(row[-4] == 1 for row in rows)
