"""Loading and serving a published policy.

It needs numpy, vowpalwabbit, xgboost and fsspec, but neither Spark nor MLflow.
"""

from ltrr.core.feature_groups import MEMORY
from ltrr.core.planning import Block
from ltrr.core.situation import Situation
from ltrr.core.text_overlap import EntityFields
from ltrr.serving.plan_choice import PlanChoice
from ltrr.serving.policy import Policy
from ltrr.serving.ranker import Slate
from ltrr.serving.replay import Replay, replay

__all__ = ["MEMORY", "Block", "EntityFields", "PlanChoice", "Policy", "Replay", "Situation", "Slate", "replay"]
