"""Lines of a decision service: choices equal to what the raw line says, or one clear reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ltrr.artifacts.manifest import PolicySettings
from ltrr.artifacts.service_version import service_version
from ltrr.core.features import action_matrix, shared_vector
from ltrr.core.planning import History, plan_values
from ltrr.core.situation import Situation
from ltrr.errors import ConfigError
from ltrr.logs.line_rows import LineReader
from ltrr.logs.reasons import REASONS
from ltrr.logs.record_rows import Pseudonyms
from ltrr.logs.settings import LogSettings
from ltrr.ope.dsjson_records import read_decision
from tests.logs.log_lines import NIGHT, SPACE
from tests.logs.service_log import as_line, observation, service_line

BLIND = PolicySettings("search", SPACE.strategies, SPACE.block_size, SPACE.budget, observe="blind")
READER = LineReader(
    NIGHT, NIGHT - timedelta(days=1), frozenset(SPACE.strategies), LogSettings(), Pseudonyms("s"), policy=BLIND
)


def row_of(line: dict[str, Any], reader: LineReader = READER) -> dict[str, Any]:
    return reader.row(as_line(line), "log-1.json")


def sorted_plan(text: str) -> tuple[str, ...]:
    return tuple(sorted(text.split(",")))


@pytest.mark.parametrize("number", range(40))
def test_a_choice_has_the_plans_propensities_and_reward_of_its_line(number: int) -> None:
    line = service_line(number)
    (decision,) = row_of(line)["decisions"]
    # Action a[i] has the probability p[i], and action k is entry k - 1 of _multi.
    logged = {sorted_plan(line["c"]["_multi"][k - 1]["i"]["id"]): p for k, p in zip(line["a"], line["p"], strict=True)}
    assert {sorted_plan(one["action"]): one["p"] for one in decision["action_propensities"]} == logged
    taken = line["c"]["_multi"][line["_labelIndex"]]["i"]["id"]
    assert sorted_plan(decision["action_taken"]) == sorted_plan(taken)
    assert decision["action_taken"] in SPACE.texts
    assert decision["logging_propensity"] == line["_label_probability"] == logged[sorted_plan(taken)]
    assert (decision["logged_reward"], decision["pdrop"]) == (-line["_label_cost"] + 0.0, 0.0)
    assert (decision["floor"], decision["n_actions"], decision["is_shadow"]) == (0.0, len(SPACE), False)
    # `ltrr ope` reads the same line to the same figures.
    judged = read_decision(line, "", "reward", [])
    assert float(judged["reward"]) == decision["logged_reward"]
    assert float(judged["logging_propensity"]) == decision["logging_propensity"]
    ordered = [one["p"] for one in decision["action_propensities"]]
    assert json.loads(judged["action_propensities"]) == ordered
    assert int(judged["action"]) == ordered.index(decision["logging_propensity"])


def test_a_choice_has_the_features_of_a_policy_that_sees_no_blocks() -> None:
    row = row_of(service_line(2))
    (decision,), impression = row["decisions"], row["impression"]
    history = History.prior(SPACE)
    expected = shared_vector(
        SPACE, (), impression["query_key"], "blind", history=history, situation=Situation(surface="search")
    )
    assert decision["shared_features"] == expected.tolist()
    matrix = action_matrix(SPACE, plan_values(SPACE, (), history))
    features = {one["action"]: one["features"] for one in decision["action_features"]}
    assert features == dict(zip(SPACE.texts, matrix.tolist(), strict=True))
    assert (impression["served_by"], impression["policy_version"]) == ("service", service_version(BLIND))
    assert (impression["query_text"], impression["session_key"], impression["pages"]) == ("Red bsocks", None, None)
    assert impression["user_key"] == Pseudonyms("s").user("person-2")
    assert impression["at"].microsecond % 1_000 == 456


def test_a_decision_of_few_plans_keeps_them_and_gives_the_others_no_probability() -> None:
    few = [{"i": {"id": text}} for text in ("memory:2", "title:1,popular:1")]
    line = service_line(1, a=[2, 1], p=[0.75, 0.25], _labelIndex=1, _label_probability=0.75)
    (decision,) = row_of({**line, "c": {**line["c"], "_multi": few}})["decisions"]
    assert decision["action_taken"] == "title:1,popular:1"
    assert [one["p"] for one in decision["action_propensities"]] == [0.25, 0.75]
    assert (decision["floor"], decision["n_actions"]) == (0.0, len(SPACE))


def with_plans(*texts: Any) -> dict[str, Any]:
    p = [1.0 / len(texts)] * len(texts)
    line = service_line(1, a=list(range(1, len(texts) + 1)), p=p, _labelIndex=0, _label_probability=p[0])
    return {**line, "c": {**line["c"], "_multi": [{"i": {"id": text}} for text in texts]}}


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in service_line(1).items() if key not in keys}


OUTCOMES = {"_outcomes": [{"_label_cost": 0, "_a": [0], "_p": [1.0]}], "c": {"_multi": [], "_slots": [{}]}}
WRONG = {
    "news articles": (with_plans("politics", "sports"), "foreign_format", "2 of 2 actions; `ltrr ope --format dsjson`"),
    "a plan and an article": (with_plans("title:2", "sports"), "foreign_format", "in 1 of 2 actions"),
    "numbers": (with_plans(1, 2), "foreign_format", "logs.service_paths"),
    "slots": ({**without("_label_cost", "c"), **OUTCOMES}, "foreign_format", "slots (_outcomes)"),
    "no actions": ({**service_line(1), "c": {}}, "foreign_format", "no list of actions (c._multi)"),
    "continuous": ({"_label_ca": {}, "EventId": "e"}, "foreign_format", "_label_ca"),
    "another strategy": (with_plans("title:2", "fuzzy:2"), "unknown_strategy", "got 1 others"),
    "a larger plan": (with_plans("title:2", "memory:3"), "wrong_value", "add up to 2"),
    "a strategy twice": (with_plans("title:1,title:1", "memory:2"), "wrong_value", "different strategies"),
    "one plan twice": (with_plans("title:1,memory:1", "memory:1,title:1"), "contradiction", "each plan once"),
    "no distribution": (without("p"), "missing_key", "the probability of every plan"),
    "half a distribution": (service_line(1, p=[0.5, 0.5]), "contradiction", "a: expected the numbers of the 6"),
    "a short distribution": ({**without("a"), "p": [0.5, 0.5]}, "contradiction", "p: expected 6 probabilities"),
    "another numbering": (service_line(1, a=[3, 4, 5, 6, 7, 8]), "contradiction", "a: expected the numbers"),
    "a sum below 1": (service_line(1, p=[0.1] * 6), "propensity_sum", "got 0.6"),
    "a negative": (service_line(1, p=[-0.5, 1.5, 0, 0, 0, 0]), "bad_propensity", "from 0 to 1"),
    "another propensity": (service_line(1, _label_probability=0.99), "bad_propensity", "as in p, got 0.99"),
    "no propensity": (without("_label_probability"), "missing_key", "_label_probability"),
    "no action": (without("_labelIndex", "_label_Action"), "missing_key", "_labelIndex"),
    "an action too far": (service_line(1, _labelIndex=6), "wrong_value", "below 6"),
    "no label": (without("_label_cost"), "missing_key", "_label_cost"),
    "a cost that is text": (service_line(1, _label_cost="1"), "wrong_value", "_label_cost"),
    "a huge cost": (service_line(1, _label_cost=1e9), "out_of_range", "at most 1,000"),
    "all dropped": (service_line(1, pdrop=1.0), "wrong_value", "pdrop"),
    "no time": (without("Timestamp"), "missing_key", "Timestamp"),
    "another time": (service_line(1, Timestamp="soon"), "bad_timestamp", "ISO 8601"),
    "no query": ({**service_line(1), "c": {**service_line(1)["c"], "query_text": None}}, "missing_key", "c.query_text"),
    "not shown": (service_line(1, _skipLearn=True), "not_activated", "_skipLearn"),
    "deferred": (service_line(1, DeferredAction=True), "not_activated", "DeferredAction"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_line_without_a_usable_choice_has_one_reason(name: str) -> None:
    line, reason, said = WRONG[name]
    row = row_of(line)
    assert row["reason"] == reason
    assert reason in REASONS
    assert said in row["detail"]
    assert "person-" not in row["detail"] + row["excerpt"]


def test_a_deferred_action_counts_once_an_observation_says_that_it_was_taken() -> None:
    line = service_line(1, DeferredAction=True, o=[{"v": 1.0, "ActionTaken": True}])
    assert row_of(line)["decisions"][0]["logged_reward"] == -line["_label_cost"]


def test_a_home_whose_policy_sees_blocks_says_which_home_takes_the_log() -> None:
    row = row_of(service_line(1), replace(READER, policy=replace(BLIND, observe="first_look")))
    assert row["reason"] == "foreign_format"
    assert "observe: blind" in row["detail"]


def test_an_observation_that_came_later_is_an_event_of_its_decision() -> None:
    row = row_of(observation(1, "d1"))
    assert (row["format"], row["event"]["impression_id"], row["event"]["value"]) == ("observation", "d1", 1.0)
    assert row["event"]["event_id"] == row_of(observation(1, "d1"))["event"]["event_id"]
    assert row["event"]["event_id"] != row_of(observation(2, "d1"))["event"]["event_id"]


def test_the_settings_name_the_keys_of_plan_query_and_user() -> None:
    line = service_line(1)
    actions = [{"_tag": one["i"]["id"], "i": {"constant": 1}} for one in line["c"]["_multi"]]
    moved = {**line, "c": {"FromUrl": [{"q": "hat", "who": 17, "visit": "v"}], "_multi": actions}}
    paths = {"plan": "_tag", "query_text": "c.FromUrl.0.q", "user": "c.FromUrl.0.who", "session": "c.FromUrl.0.visit"}
    row = row_of(moved, replace(READER, settings=LogSettings(service_paths=paths)))
    assert row["impression"]["query_text"] == "hat"
    assert row["impression"]["user_key"] == Pseudonyms("s").user("17")
    assert row["impression"]["session_key"] == Pseudonyms("s").session("v")
    with pytest.raises(ConfigError, match="service_paths"):
        LogSettings(service_paths={"querytext": "c.q"})
