"""Pages of a small world: fusion is noise, and the memory's score predicts relevance."""

from datetime import date

import numpy as np

from ltrr.core.hashing import user_fold
from ltrr.core.plans import PlanSpace
from ltrr.core.ranker_features import ranker_features

SPACE = PlanSpace(("title", "memory"), block_size=2, budget=2)
NAMES = [feature.name for feature in ranker_features(SPACE)]
DAY = date(2026, 3, 2)
PAGE = 6
EXAMINATION = 1.0 / np.arange(1, PAGE + 1)
COLUMNS = (
    "impression_id string, entity_id string, log_date date, position int, query_key string, user_key string, "
    "user_fold int, features array<double>, clicks int, page_reward double, examination double, surface string"
)


def pages(impressions, *, queries=300, seed=3):
    """Slate rows with examination; P(relevant) is .6 with a high memory score, else .05."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(impressions):
        query = f"query {rng.integers(queries)}"
        user = f"user-{rng.integers(500)}"
        fusion = np.sort(rng.random(PAGE))[::-1]
        memory = rng.random(PAGE)
        for place in range(PAGE):
            values = dict.fromkeys(NAMES, 0.0)
            values["fusion"] = float(fusion[place])
            values["score:memory"] = float(memory[place]) if memory[place] > 0.2 else None
            wanted = 0.6 if memory[place] > 0.7 else 0.05
            clicked = rng.random() < wanted and rng.random() < EXAMINATION[place]
            rows.append(
                (
                    *(f"i{number:05d}", f"e{rng.integers(1000)}-{place}", DAY, place + 1, query, user, user_fold(user)),
                    *([values[name] for name in NAMES], int(clicked), float(clicked)),
                    *(float(EXAMINATION[place]), "search"),
                )
            )
    return rows


def frame_of(spark, rows):
    return spark.createDataFrame(rows, COLUMNS)
