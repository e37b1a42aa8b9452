"""The examples in the documentation work."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from examples.serve_search import main, serve, toy_strategies
from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
from ltrr.artifacts.decision_record import schema
from ltrr.artifacts.record_checks import check_decision_record, check_event
from ltrr.serving import Policy, replay
from tests.artifacts.bundles import SETTINGS, learned_bundle
from tests.artifacts.json_schema import faults

CONTRACT = Path(__file__).parents[2] / "docs" / "reference" / "log-contract.md"


@pytest.mark.parametrize(("kind", "check"), [("decision", check_decision_record), ("event", check_event)])
def test_the_lines_in_the_contract_are_valid(kind: str, check) -> None:
    (shown,) = re.findall(rf"```json {kind}\n(.*?)```", CONTRACT.read_text("utf-8"), re.DOTALL)
    line = json.loads(shown)
    assert check(line) == []
    assert faults(line, schema("decision_record" if kind == "decision" else "event")) == []


def test_the_contract_names_every_field() -> None:
    text = CONTRACT.read_text("utf-8")
    for name in ("decision_record", "event"):
        assert [field for field in schema(name)["required"] if f'"{field}"' not in text] == []


def test_the_log_of_the_example_service_can_be_replayed() -> None:
    policy = Policy.of(*learned_bundle())

    def broken(query_text: str, offset: int, limit: int) -> list[tuple[str, float]]:
        raise OSError(f"no answer for {query_text} {offset} {limit}")

    strategies = {**toy_strategies(policy), "popular": broken}
    with ThreadPoolExecutor(4) as pool:
        for query_text in ("the matrix", "love", "1999"):
            page, record = serve(policy, pool, strategies, query_text, "user-1", "session-1")
            assert check_decision_record(record) == []
            assert replay(policy, record).is_exact
            assert {look["status"] for look in record["looks"]} >= {"ok", "error"}
            # A plan may draw only from strategies that find nothing.
            assert bool(page) == any(block["results"] for block in record["draws"])


def test_the_example_shows_its_own_page_in_shadow_mode() -> None:
    manifest, files = learned_bundle()
    policy = Policy.of(replace(manifest, shadow=True), files)
    sent: list[tuple[str, ...]] = []
    strategies = toy_strategies(policy)
    drawn = set()
    with ThreadPoolExecutor(4) as pool:
        for number in range(20):
            query_text = f"love {number}"
            page, record = serve(policy, pool, strategies, query_text, "user-1", "session-1", send=sent.append)
            assert check_decision_record(record) == []
            assert replay(policy, record).is_exact
            assert (record["served_by"], record["decisions"], sent[-1]) == ("static", [], page)
            first = policy.space.strategies[0]
            size = policy.space.block_size * policy.space.budget
            assert page == tuple(hit.entity_id for hit in strategies[first](query_text, 0, size))
            drawn |= {(block["strategy"], block["depth"]) for block in record.get("off_path", [])}
    # The log has blocks that the page did not show.
    assert any(strategy != policy.space.strategies[0] for strategy, _ in drawn)


def test_the_example_runs_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = publish_bundle(tmp_path / "p", "search", *uniform_bundle(SETTINGS, date(2026, 3, 1)))
    move_pointer(tmp_path / "p", "search", version)
    main(str(tmp_path / "p" / "search"), str(tmp_path / "logs"), "love", "the matrix")
    (log,) = (tmp_path / "logs").glob("dt=*/decisions-*.ndjson")
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [check_decision_record(record) for record in records] == [[], []]
    assert capsys.readouterr().out.count("->") == 2
