"""The sentences below the tables compare policies by the intervals."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from ltrr.core.exploration import ExplorationSettings
from ltrr.demo.report import CHALLENGER, CHALLENGER_GREEDY
from ltrr.demo.sentences import recall_sentences
from ltrr.demo.worlds import WorldChoice, check_choice
from ltrr.errors import UsageError
from ltrr.publishing.trials import Challenger, FrozenBandit
from ltrr.simulation.truth_table import LEARNED, LEARNED_GREEDY, ORACLE, STATIC, STATIC_WITHOUT_MEMORY, UNIFORM


def rows(over_uniform: tuple[float, float], over_static: tuple[float, float]) -> list[dict[str, object]]:
    """Rows of the table of true values with two intervals."""
    recalls = {
        LEARNED_GREEDY: 0.85,
        LEARNED: 0.82,
        UNIFORM: 0.7,
        STATIC: 0.6,
        STATIC_WITHOUT_MEMORY: 0.84,
        ORACLE: 0.95,
    }
    return [
        {
            "slice": "unseen",
            "policy": policy,
            "recall": recall,
            "over_uniform_low": over_uniform[0],
            "over_uniform_high": over_uniform[1],
            "over_static_low": over_static[0],
            "over_static_high": over_static[1],
        }
        for policy, recall in recalls.items()
    ]


@pytest.mark.parametrize(
    ("over_static", "said"),
    [
        ((0.001, 0.02), "better than the best static plan (84.0%)"),
        ((-0.02, -0.001), "worse than the best static plan (84.0%)"),
        ((-0.01, 0.01), "not distinguishable from the best static plan (84.0%)"),
    ],
)
def test_it_claims_no_more_than_the_interval(over_static: tuple[float, float], said: str) -> None:
    sentence = recall_sentences(rows((0.1, 0.2), over_static))
    assert said in sentence
    assert "better than drawing plans at random (70.0%)" in sentence
    assert "95.0%" in sentence
    assert "As served, with exploration, it finds 82.0%" in sentence


@pytest.mark.parametrize(
    ("state", "said"),
    [({"night": 2}, "night 2 of its trial"), ({"outcome": "futile", "ended": date(2026, 3, 5)}, "futile")],
)
def test_a_challenger_that_does_not_serve_has_a_sentence_of_its_own(state, said) -> None:
    unseen = rows((0.1, 0.2), (0.001, 0.02))
    theirs = zip(unseen, (CHALLENGER_GREEDY, CHALLENGER), strict=False)
    both = [*unseen, *({**row, "policy": name} for row, name in theirs)]
    bandit = FrozenBandit("search", {"bandit.vw": "ab"}, None, ExplorationSettings())
    tested = replace(Challenger(bandit, date(2026, 3, 3), date(2026, 3, 2), "00", 0.01), **state)
    first, second = recall_sentences(both, tested).splitlines()
    assert first == recall_sentences(unseen)
    assert second.startswith("On queries never searched before, the challenger (")
    assert said in second


def test_a_world_without_its_data_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a folder with its data"):
        check_choice(WorldChoice("msrd"))
    with pytest.raises(UsageError, match=r"expected music \| msrd, got films"):
        check_choice(WorldChoice("films"))
