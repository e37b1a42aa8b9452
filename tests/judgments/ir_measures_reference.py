"""Writes `ir_measures.json`: values of the package ir-measures for random judgments and runs.

Run it where ir-measures is installed: `python tests/judgments/ir_measures_reference.py`.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("ir_measures.json")
NAMES = ("nDCG@10", "RR", "P@5", "AP", "R@100", "Judged@10")


def random_case(seed: int) -> dict[str, Any]:
    """Grades and ranking of one query, with negative grades, unjudged entities and short pages."""
    rng = random.Random(seed)
    entities = [f"e{n}" for n in range(rng.randint(2, 160))]
    grades = {one: rng.choice((-1, 0, 0, 0, 1, 1, 2, 3)) for one in entities if rng.random() < 0.5}
    grades["e0"] = rng.randint(1, 3)
    ranking = rng.sample(entities, rng.randint(1, len(entities)))
    return {"grades": grades, "ranking": ranking}


def values_of(case: dict[str, Any]) -> dict[str, float]:
    """The package's values of one query."""
    import ir_measures

    run = {"q": {one: 1.0 / rank for rank, one in enumerate(case["ranking"], start=1)}}
    found = ir_measures.calc_aggregate([ir_measures.parse_measure(name) for name in NAMES], {"q": case["grades"]}, run)
    return {str(measure): value for measure, value in found.items()}


if __name__ == "__main__":
    cases = [random_case(seed) for seed in range(60)]
    content = {"ir-measures": version("ir-measures"), "cases": [{**case, "values": values_of(case)} for case in cases]}
    FILE.write_text(json.dumps(content, separators=(",", ":")) + "\n")
